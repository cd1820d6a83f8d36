//! Looks after the meters of all sources: keeps what was used over a restart, and lets the team know before
//! it runs out.

use super::connector::Connector;
use super::meter::{Counted, Meter, Usage};
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Instant, Notice, SourceName};
use chrono::{DateTime, TimeDelta};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Under which names what was used, and until when the team was told of it, are kept.
pub const USED: &str = "meter";
const TOLD: &str = "meter told";
/// The team is told of the quota of a platform once in its window, and no more often than this.
const LEAST: TimeDelta = TimeDelta::hours(1);

/// What is nearly used up at present, as the team is told of it.
#[must_use]
pub fn nearly_used_up(networks: &[Arc<dyn Connector>], now: Instant) -> Vec<Notice> {
    let of_network = |network: &Arc<dyn Connector>| {
        let usages = network.meter().map_or_else(Vec::new, |meter| meter.usage(now));
        let nearly = usages.into_iter().filter(Usage::is_nearly_all);
        nearly
            .map(|usage| notice(network.source(), usage))
            .collect::<Vec<_>>()
    };
    networks.iter().flat_map(of_network).collect()
}

fn notice(source: &SourceName, usage: Usage) -> Notice {
    Notice::Spending {
        source: source.clone(),
        used: usage.words,
        until: usage.until,
    }
}

/// The meters of all sources.
pub struct Meters {
    networks: Vec<Arc<dyn Connector>>,
    restored: HashSet<SourceName>,
    kept: HashMap<SourceName, String>,
    /// Until when the team knows.
    told: HashMap<(SourceName, Counted), Instant>,
}

impl Meters {
    /// Of these sources.
    #[must_use]
    pub fn new(networks: Vec<Arc<dyn Connector>>) -> Self {
        Self {
            networks,
            restored: HashSet::new(),
            kept: HashMap::new(),
            told: HashMap::new(),
        }
    }

    /// Looks at all of them. To be called every minute or so.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn look(&mut self, inbound: &Inbound, now: Instant) -> Result<(), Unavailable> {
        for network in self.networks.clone() {
            if let Some(meter) = network.meter() {
                self.look_at(network.source(), meter, inbound, now).await?;
            }
        }
        Ok(())
    }

    async fn look_at(
        &mut self,
        source: &SourceName,
        meter: &Meter,
        inbound: &Inbound,
        now: Instant,
    ) -> Result<(), Unavailable> {
        if !self.restored.contains(source) {
            self.restore(source, meter, inbound).await?;
            self.restored.insert(source.clone());
        }
        if let Some(kept) = meter.kept(now).filter(|kept| self.kept.get(source) != Some(kept)) {
            keep(inbound, source, USED, kept.clone()).await?;
            self.kept.insert(source.clone(), kept);
        }
        for usage in meter.usage(now).into_iter().filter(Usage::is_nearly_all) {
            self.tell(source, usage, inbound, now).await?;
        }
        Ok(())
    }

    async fn restore(
        &mut self,
        source: &SourceName,
        meter: &Meter,
        inbound: &Inbound,
    ) -> Result<(), Unavailable> {
        if let Some(kept) = inbound.cursor(source, USED).await? {
            meter.restore(&kept);
        }
        let told = inbound.cursor(source, TOLD).await?;
        if let Some(until) = told.and_then(|told| DateTime::parse_from_rfc3339(&told).ok()) {
            self.told.insert((source.clone(), Counted::Here), until.to_utc());
        }
        Ok(())
    }

    /// Tells it, once in a window.
    async fn tell(
        &mut self,
        source: &SourceName,
        usage: Usage,
        inbound: &Inbound,
        now: Instant,
    ) -> Result<(), Unavailable> {
        let key = (source.clone(), usage.of);
        if self.told.get(&key).is_some_and(|until| now < *until) {
            return Ok(());
        }
        let of = usage.of;
        let until = match of {
            Counted::There => usage.until.unwrap_or(now).max(now + LEAST),
            Counted::Here => usage.until.unwrap_or(now + LEAST),
        };
        inbound.announce(notice(source, usage)).await?;
        if of == Counted::Here {
            keep(inbound, source, TOLD, until.to_rfc3339()).await?;
        }
        self.told.insert(key, until);
        Ok(())
    }
}

async fn keep(
    inbound: &Inbound,
    source: &SourceName,
    stream: &str,
    value: String,
) -> Result<(), Unavailable> {
    let stream = stream.to_owned();
    let cursor = Some(Cursor { stream, value });
    inbound.posts_seen(source, Vec::new(), cursor).await.map(drop)
}
