//! Which replies somebody else has to agree to.

use crate::domain::{SourceName, TeamName, Weight};
use std::collections::HashMap;

/// Which replies somebody besides their author has to agree to. Ordered by strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Approval {
    /// None: what would need it is asked of its author once more.
    Never,
    /// Those with a remark that asks for it.
    #[default]
    Flagged,
    /// All.
    Always,
}

/// The rule for everything, and where it differs.
#[derive(Debug, Clone, Default)]
pub struct Approvals {
    /// Where nothing else is said.
    pub general: Approval,
    /// For replies of a source, instead of the general one.
    pub sources: HashMap<SourceName, Approval>,
    /// For cases that a team has, if it is stricter.
    pub teams: HashMap<TeamName, Approval>,
}

impl Approvals {
    /// Whether a reply with these remarks needs somebody else.
    #[must_use]
    pub fn needed(&self, source: &SourceName, team: Option<&TeamName>, heaviest: Option<Weight>) -> bool {
        let of_source = self.sources.get(source).copied().unwrap_or(self.general);
        let of_team = team.and_then(|team| self.teams.get(team)).copied();
        match of_team.map_or(of_source, |of_team| of_team.max(of_source)) {
            Approval::Never => false,
            Approval::Flagged => heaviest == Some(Weight::Approve),
            Approval::Always => true,
        }
    }
}
