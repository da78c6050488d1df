//! Orders to agents, and the parcels that answer them (docs/adr/0013): where web and engine meet.

use muster_core::agent::Task;

use super::AgentRow;
use crate::inventory::Asked;
use crate::runs::{ConnectorRow, json, next_id};
use crate::sql::Row;
use crate::{Store, StoreError};

/// One call of a connector that its agent is to make.
#[derive(Debug, Clone)]
pub struct NewOrder<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// The connector.
    pub connector: i64,
    /// Whose agent; any agent's of the connector, where there is none.
    pub profile: Option<i64>,
    /// The job that needs it.
    pub job: i64,
    /// The call.
    pub task: &'a Task,
    /// The map that its records will meet.
    pub map: Option<i64>,
    /// Whether the scope was read before.
    pub known: bool,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    /// Parcels are taken.
    Open,
    /// Its last parcel was taken.
    Done,
    /// The agent that worked at it went away; what it sent is here.
    Lost,
}

impl OrderState {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Lost => "lost",
        }
    }

    fn from_word(word: &str) -> Result<Self, StoreError> {
        let all = [Self::Open, Self::Done, Self::Lost];
        let found = all.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| StoreError::Corrupt(format!("an order's state `{word}`")))
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Its id.
    pub id: i64,
    /// The public id of its job.
    pub job: String,
    /// The call.
    pub task: Task,
    /// The map that its records will meet.
    pub map: Option<i64>,
    /// Whether the scope was read before.
    pub known: bool,
    /// How far it is.
    pub state: OrderState,
    /// Every parcel below this sequence is here.
    pub have: i64,
    /// Every parcel below this sequence was taken.
    pub taken: i64,
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is here now, or was already.
    Kept,
    /// Too many before it wait to be taken.
    TooFar,
    /// The order is over, or there is none.
    Over,
}

const COLUMNS: &str = "SELECT o.id, j.uuid, o.task, o.map, o.known, o.state, o.have, o.taken FROM agent_order o \
                       JOIN job j ON j.id = o.job WHERE o.tenant = $1";

fn row(row: &Row) -> Result<OrderRow, StoreError> {
    let task = serde_json::from_str(&row.text(2)?);
    Ok(OrderRow {
        id: row.int(0)?,
        job: row.text(1)?,
        task: task.map_err(|error| StoreError::Corrupt(format!("an order's task: {error}")))?,
        map: row.maybe_int(3)?,
        known: row.int(4)? != 0,
        state: OrderState::from_word(&row.text(5)?)?,
        have: row.int(6)?,
        taken: row.int(7)?,
    })
}

impl Store {
    /// Adds an order; gives its id.
    pub async fn add_order(&self, new: &NewOrder<'_>) -> Result<i64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let id = next_id(&mut conn, 1).await?;
        let sql = "INSERT INTO agent_order (id, tenant, connector, profile, job, task, map, known, state, have, taken) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', 0, 0)";
        let known = i64::from(new.known);
        let values = params![id, new.tenant, new.connector, new.profile, new.job, json(new.task)?, new.map, known];
        conn.execute("adding an order", sql, values).await?;
        transaction.commit().await?;
        self.hints.orders_changed();
        Ok(id)
    }

    /// The orders of a job, oldest first.
    pub async fn orders_of_job(&self, tenant: i64, job: i64) -> Result<Vec<OrderRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND o.job = $2 ORDER BY o.id");
        let rows = reader.conn().fetch("reading a job's orders", sql, params![tenant, job]).await?;
        rows.iter().map(row).collect()
    }

    /// The open orders that are an agent's to follow, oldest first.
    pub async fn orders_for(&self, agent: &AgentRow) -> Result<Vec<OrderRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!(
            "{COLUMNS} AND o.connector = $2 AND o.state = 'open' AND (o.profile IS NULL OR o.profile = $3) \
             ORDER BY o.id LIMIT 1000"
        );
        let values = params![agent.tenant, agent.connector, agent.profile];
        let rows = reader.conn().fetch("reading an agent's orders", sql, values).await?;
        rows.iter().map(row).collect()
    }

    /// An order, if it is an agent's to follow, or was.
    pub async fn order_for(&self, agent: &AgentRow, id: i64) -> Result<Option<OrderRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND o.connector = $2 AND (o.profile IS NULL OR o.profile = $3) AND o.id = $4");
        let values = params![agent.tenant, agent.connector, agent.profile, id];
        let found = reader.conn().fetch_one("reading an order", sql, values).await?;
        found.as_ref().map(row).transpose()
    }

    /// How far an order is, and below which sequence every parcel is here; none where its job has ended.
    pub async fn order_state(&self, tenant: i64, id: i64) -> Result<Option<(OrderState, i64)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT state, have FROM agent_order WHERE tenant = $1 AND id = $2";
        let found = reader.conn().fetch_one("looking at an order", sql, params![tenant, id]).await?;
        found.map(|row| Ok((OrderState::from_word(&row.text(0)?)?, row.int(1)?))).transpose()
    }

    /// Keeps a parcel of an agent's order, at most so far beyond what was taken: (order, sequence). A second one of a
    /// sequence changes nothing.
    pub async fn put_parcel(
        &self,
        agent: &AgentRow,
        (order, sequence): (i64, i64),
        body: Vec<u8>,
        waiting: i64,
    ) -> Result<Put, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        // Written before it is read: two parcels of one order take turns.
        let sql = "UPDATE agent_order SET taken = taken WHERE tenant = $1 AND connector = $2 AND id = $4 \
                   AND state = 'open' AND (profile IS NULL OR profile = $3) RETURNING have, taken";
        let values = params![agent.tenant, agent.connector, agent.profile, order];
        let Some(found) = conn.fetch_one("looking at an order", sql, values).await? else {
            transaction.rollback().await;
            return Ok(Put::Over);
        };
        let (have, taken) = (found.int(0)?, found.int(1)?);
        if sequence >= taken.saturating_add(waiting) && sequence >= have {
            transaction.rollback().await;
            return Ok(Put::TooFar);
        }
        let sql = "INSERT INTO agent_parcel (tenant, order_id, sequence, body) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (tenant, order_id, sequence) DO NOTHING";
        conn.execute("keeping a parcel", sql, params![agent.tenant, order, sequence, body]).await?;
        if sequence == have {
            let sql = "UPDATE agent_order SET have = (SELECT MIN(p.sequence) + 1 FROM agent_parcel p \
                       WHERE p.tenant = $1 AND p.order_id = $2 AND p.sequence >= $3 AND NOT EXISTS (SELECT 1 \
                       FROM agent_parcel n WHERE n.tenant = $1 AND n.order_id = $2 AND n.sequence = p.sequence + 1)) \
                       WHERE tenant = $1 AND id = $2";
            conn.execute("counting parcels", sql, params![agent.tenant, order, have]).await?;
        }
        transaction.commit().await?;
        self.hints.parcels_came();
        Ok(Put::Kept)
    }

    /// A parcel of an order.
    pub async fn parcel(&self, tenant: i64, order: i64, sequence: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT body FROM agent_parcel WHERE tenant = $1 AND order_id = $2 AND sequence = $3";
        let found = reader.conn().fetch_one("reading a parcel", sql, params![tenant, order, sequence]).await?;
        found.map(|row| row.blob(0)).transpose()
    }

    /// Notes below which sequence every parcel of an order was taken.
    pub async fn parcels_taken(&self, tenant: i64, order: i64, taken: i64) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE agent_order SET taken = $3 WHERE tenant = $1 AND id = $2";
        writer.conn().execute("taking parcels", sql, params![tenant, order, taken]).await?;
        Ok(())
    }

    /// Begins to take an order's parcels from the first on again.
    pub async fn retake_order(&self, tenant: i64, order: i64) -> Result<(), StoreError> {
        self.parcels_taken(tenant, order, 0).await
    }

    /// Ends an order: no more parcels of it are taken. Those it has stay.
    pub async fn end_order(&self, tenant: i64, order: i64) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE agent_order SET state = 'done' WHERE tenant = $1 AND id = $2";
        writer.conn().execute("ending an order", sql, params![tenant, order]).await?;
        drop(writer);
        self.hints.orders_changed();
        Ok(())
    }

    /// Notes that an agent cannot go on with an order: the process that worked at it is gone. False where it is over.
    pub async fn lose_order(&self, agent: &AgentRow, order: i64) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE agent_order SET state = 'lost' WHERE tenant = $1 AND connector = $2 AND id = $4 \
                   AND state = 'open' AND (profile IS NULL OR profile = $3)";
        let values = params![agent.tenant, agent.connector, agent.profile, order];
        let lost = writer.conn().execute("losing an order", sql, values).await? == 1;
        drop(writer);
        self.hints.parcels_came();
        Ok(lost)
    }

    /// Forgets orders, with their parcels.
    pub async fn drop_orders(&self, tenant: i64, orders: &[i64]) -> Result<(), StoreError> {
        if orders.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let (source, ids) = crate::sql::Bulk::ids(conn.dialect(), orders).source(conn.dialect(), "b", 2);
        let mut values = params![tenant];
        values.extend(ids);
        for (table, column) in [("agent_parcel", "order_id"), ("agent_order", "id")] {
            let sql = format!("DELETE FROM {table} WHERE tenant = $1 AND {column} IN (SELECT b.id FROM {source})");
            conn.execute("forgetting orders", sql, values.clone()).await?;
        }
        transaction.commit().await?;
        self.hints.orders_changed();
        Ok(())
    }

    /// For each of these records, whether the store has it just so: as the run's map made it, present, in that scope.
    pub async fn has_just_so(
        &self,
        connector: &ConnectorRow,
        (stream, scope): (&str, &str),
        map: i64,
        asked: &[Asked<'_>],
    ) -> Result<Vec<bool>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM scope WHERE tenant = $1 AND connector = $2 AND stream = $3 AND name = $4";
        let values = params![connector.tenant, connector.id, stream, scope];
        let found = reader.conn().fetch_one("finding a scope", sql, values).await?;
        drop(reader);
        let Some(found) = found else { return Ok(vec![false; asked.len()]) };
        let priors = self.prefilter(connector, stream, (found.int(0)?, map), asked).await?;
        Ok(priors.into_iter().map(|prior| prior.is_some_and(|prior| prior.same)).collect())
    }
}
