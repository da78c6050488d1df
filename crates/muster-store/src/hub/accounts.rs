//! People who sign in.

use muster_core::clock::Instant;
use muster_core::fold::fold;

use super::audit::note;
use super::{AuditLine, Changed, Page, Refusal};
use crate::runs::next_id;
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// A person's account.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: String,
    /// The name to sign in with.
    pub username: String,
    /// `manager` or `viewer`.
    pub role: String,
    /// The password's hash, in PHC form.
    pub password: String,
    /// Whether it may sign in.
    pub active: bool,
    /// When it was made.
    pub created_at: Instant,
}

impl std::fmt::Debug for AccountRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AccountRow").field("uuid", &self.uuid).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What makes an account.
#[derive(Clone, Copy)]
pub struct NewAccount<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: &'a str,
    /// The name to sign in with.
    pub username: &'a str,
    /// `manager` or `viewer`.
    pub role: &'a str,
    /// The password's hash, in PHC form.
    pub password: &'a str,
    /// When.
    pub now: Instant,
}

impl std::fmt::Debug for NewAccount<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewAccount").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

const COLUMNS: &str = "SELECT id, tenant, uuid, username, role, password, active, created_at FROM account";

fn row(row: &Row) -> Result<AccountRow, StoreError> {
    Ok(AccountRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        uuid: row.text(2)?,
        username: row.text(3)?,
        role: row.text(4)?,
        password: row.text(5)?,
        active: row.int(6)? != 0,
        created_at: Instant(row.int(7)?),
    })
}

/// Adds an account, unless its name is taken.
pub(super) async fn add(conn: &mut Conn<'_>, new: &NewAccount<'_>) -> Result<Option<i64>, StoreError> {
    let id = next_id(conn, 1).await?;
    let sql = "INSERT INTO account (id, tenant, uuid, username, username_folded, role, password, active, created_at, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8) \
               ON CONFLICT (tenant, username_folded) DO NOTHING";
    let folded = fold(new.username);
    let values = params![id, new.tenant, new.uuid, new.username, folded, new.role, new.password, new.now.0];
    Ok((conn.execute("adding an account", sql, values).await? == 1).then_some(id))
}

impl Store {
    /// Adds an account.
    pub async fn add_account(&self, new: NewAccount<'_>, audit: &AuditLine) -> Changed<AccountRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let Some(id) = add(&mut conn, &new).await? else {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        };
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        let (uuid, username) = (new.uuid.to_owned(), new.username.to_owned());
        let (role, password) = (new.role.to_owned(), new.password.to_owned());
        Ok(Ok(AccountRow { id, tenant: new.tenant, uuid, username, role, password, active: true, created_at: new.now }))
    }

    /// The account of that name, in any spelling of case.
    pub async fn account_named(&self, tenant: i64, username: &str) -> Result<Option<AccountRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND username_folded = $2");
        let found = reader.conn().fetch_one("finding an account", sql, params![tenant, fold(username)]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The account of that public id.
    pub async fn account(&self, tenant: i64, uuid: &str) -> Result<Option<AccountRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND uuid = $2");
        let found = reader.conn().fetch_one("reading an account", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The accounts of a tenant.
    pub async fn accounts(&self, tenant: i64, page: Page) -> Result<Vec<AccountRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = reader.conn().fetch("reading accounts", sql, params![tenant, page.after, page.limit]).await?;
        rows.iter().map(row).collect()
    }

    /// Changes role, password or activity of an account; all its sessions end, and those of the clients that
    /// stand for it. The last active manager stays one.
    pub async fn change_account(&self, account: &AccountRow, now: Instant, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql =
            "UPDATE account SET role = $3, password = $4, active = $5, updated_at = $6 WHERE tenant = $1 AND id = $2";
        let values = params![
            account.tenant,
            account.id,
            account.role.clone(),
            account.password.clone(),
            i64::from(account.active),
            now.0,
        ];
        if conn.execute("changing an account", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        let sql = "SELECT COUNT(*) FROM account WHERE tenant = $1 AND role = 'manager' AND active = 1";
        let managers = conn.fetch_one("counting managers", sql, params![account.tenant]).await?;
        if managers.map_or(Ok(0), |row| row.int(0))? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Busy));
        }
        end_sessions(&mut conn, account, (now, None)).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// Gives an account another password, if `account` still has the one there is; all its sessions end but the one in
    /// which that was asked for, and those of the clients that stand for it.
    pub async fn change_password(
        &self,
        account: &AccountRow,
        password: &str,
        session: &str,
        audit: &AuditLine,
    ) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE account SET password = $4, updated_at = $5 WHERE tenant = $1 AND id = $2 AND password = $3";
        let values = params![account.tenant, account.id, account.password.clone(), password, audit.at.0];
        if conn.execute("changing a password", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Changed));
        }
        end_sessions(&mut conn, account, (audit.at, Some(session))).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }
}

/// Ends the sessions of an account, and of the clients that stand for it, but for one.
async fn end_sessions(
    conn: &mut Conn<'_>,
    account: &AccountRow,
    (now, but): (Instant, Option<&str>),
) -> Result<(), StoreError> {
    let sql = "UPDATE session SET ended_at = $3 WHERE tenant = $1 AND ended_at IS NULL AND id <> $4 AND (subject = $2 \
               OR kind = 'client' AND subject IN (SELECT uuid FROM client WHERE tenant = $1 AND account = $2))";
    let values = params![account.tenant, account.uuid.clone(), now.0, but.unwrap_or_default()];
    conn.execute("ending sessions", sql, values).await?;
    Ok(())
}
