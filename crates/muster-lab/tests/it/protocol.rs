//! Binding, the root DSE, filters, limits and controls.

use ldap3::{Scope, SearchOptions};
use muster_lab::LabError;
use muster_lab::directory::{DirectoryOptions, start};

use crate::client::{BASE, SHOW_DELETED, USERS, ask, bare, directory, list, page, paging, service, unbound};

const ANY: &str = "(objectClass=*)";

#[tokio::test(flavor = "multi_thread")]
async fn binds_by_every_form_of_a_name() {
    let directory = directory(10).await;
    let banner = directory.banner();
    let password = banner["password"].as_str().unwrap();
    let dn = banner["bindDn"].as_str().unwrap();
    let mut ldap = unbound(&directory).await;
    for name in [
        dn,
        "svc-muster@muster.test",
        "MUSTER\\svc-muster",
        "cn=SVC-muster, ou=service accounts,ou=muster,dc=MUSTER,dc=test",
    ] {
        assert_eq!(ldap.simple_bind(name, password).await.unwrap().rc, 0, "{name}");
        assert_eq!(ask(&mut ldap, (BASE, Scope::Base, ANY), &["1.1"]).await.1, 0);
    }
    for (name, password) in
        [(dn, "wrong"), ("nobody@muster.test", password), ("OTHER\\svc-muster", password), ("svc-muster", password)]
    {
        let result = ldap.simple_bind(name, password).await.unwrap();
        assert_eq!(result.rc, 49);
        assert_eq!(
            result.text,
            "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563"
        );
    }
    let result = ldap.simple_bind(dn, "").await.unwrap();
    assert_eq!(result.rc, 0, "a name without a password is nobody, successfully");
    assert_eq!(ask(&mut ldap, (BASE, Scope::Base, ANY), &[]).await.1, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_says_what_a_reader_needs_before_a_bind() {
    let directory = directory(10).await;
    let mut ldap = unbound(&directory).await;
    let (found, code) = ask(
        &mut ldap,
        ("", Scope::Base, ANY),
        &["defaultnamingcontext", "dsServiceName", "supportedControl", "highestCommittedUSN"],
    )
    .await;
    assert_eq!(code, 0);
    assert_eq!(found[0].values.len(), 4);
    assert_eq!(found[0].texts("defaultNamingContext"), [BASE]);
    assert!(found[0].texts("supportedControl").contains(&SHOW_DELETED.to_owned()));
    let service_name = found[0].texts("dsServiceName").remove(0);
    let mut ldap = service(&directory).await;
    let (found, _) = ask(&mut ldap, (&service_name, Scope::Base, ANY), &["invocationId"]).await;
    assert_eq!(found[0].values["invocationId"][0].len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_they_should() {
    let directory = directory(400).await;
    let mut ldap = service(&directory).await;
    let truth = directory.truth();
    let user = truth
        .iter()
        .find(|record| record.attributes.get("sAMAccountName") == Some(&vec!["u0000077".to_owned()]))
        .unwrap();
    let escaped: String =
        muster_core::value::guid_bytes(&user.guid).unwrap().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = |name: &str| user.attributes[name][0].clone();
    for filter in [
        format!("(objectGUID={escaped})"),
        "(sAMAccountName=U0000077)".to_owned(),
        "(&(objectClass=user)(|(sAMAccountName=u0000077)(sAMAccountName=u9999999)))".to_owned(),
        format!("(distinguishedName={})", user.dn.replace('\\', "\\5c").replace('(', "\\28")),
        format!("(&(name={})(department=*))", text("name")),
        "(sAMAccountName=*00077)".to_owned(),
        "(sAMAccountName=u00000*77)".to_owned(),
        format!("(&(uSNChanged>={0})(uSNChanged<={0}))", text("uSNChanged")),
        "(!(|(!(sAMAccountName=u0000077))(objectClass=group)))".to_owned(),
    ] {
        let (found, code) = ask(&mut ldap, (BASE, Scope::Subtree, &filter), &["objectGUID"]).await;
        assert_eq!((code, found.len()), (0, 1), "{filter}");
        assert_eq!(found[0].guid(), user.guid, "{filter}");
    }
    let disabled = truth.iter().filter(|record| {
        record.attributes.get("userAccountControl").is_some_and(|value| value[0].parse::<i64>().unwrap() & 2 != 0)
    });
    let filter = "(userAccountControl:1.2.840.113556.1.4.803:=2)";
    let (found, _) = ask(&mut ldap, (BASE, Scope::Subtree, filter), &["1.1"]).await;
    assert_eq!(found.len(), disabled.count());
    for nothing in ["(unknown=1)", "(!(unknown=1))", "(&(objectClass=user)(objectClass=group))"] {
        assert_eq!(ask(&mut ldap, (BASE, Scope::Subtree, nothing), &[]).await.0.len(), 0, "{nothing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_part_the_tree() {
    let directory = directory(600).await;
    let mut ldap = service(&directory).await;
    let truth = directory.truth();
    let spain = "OU=Spain,OU=Muster,DC=muster,DC=test";
    let sales = format!("OU=Sales,{spain}");
    let below = |base: &str| {
        truth
            .iter()
            .filter(|record| {
                record.attributes.contains_key("primaryGroupID") && record.dn.ends_with(&format!(",{base}"))
            })
            .count()
    };
    assert_eq!(list(&mut ldap, (spain, Scope::Subtree, USERS), &["1.1"], 5).await.0.len(), below(spain));
    assert_eq!(list(&mut ldap, (spain, Scope::OneLevel, USERS), &["1.1"], 5).await.0.len(), 0);
    assert_eq!(list(&mut ldap, (&sales, Scope::OneLevel, USERS), &["1.1"], 5).await.0.len(), below(&sales));
    assert_eq!(list(&mut ldap, (spain, Scope::OneLevel, ANY), &["1.1"], 5).await.0.len(), 6);
    let missing =
        page(&mut ldap, ("OU=None,OU=Muster,DC=muster,DC=test", Scope::Subtree, ANY), &[], Vec::new()).await.unwrap();
    assert_eq!(missing.code, 32);
    assert!(missing.text.contains("NO_OBJECT") && missing.text.contains("'OU=Muster,DC=muster,DC=test'"));
    assert_eq!(ask(&mut ldap, ("DC=other,DC=test", Scope::Base, ANY), &[]).await.1, 10);
    assert_eq!(ask(&mut ldap, ("no name", Scope::Base, ANY), &[]).await.1, 34);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_pages_end_at_the_limit() {
    let directory = directory(1500).await;
    let mut ldap = service(&directory).await;
    let search = (BASE, Scope::Subtree, USERS);
    let (found, code) = ask(&mut ldap, search, &["1.1"]).await;
    assert_eq!((found.len(), code), (1000, 4));
    let options = SearchOptions::new().sizelimit(10);
    let result = ldap.with_search_options(options).search(search.0, search.1, search.2, vec!["1.1"]).await.unwrap();
    assert_eq!((result.0.len(), result.1.rc), (10, 4));
    let first = page(&mut ldap, search, &["1.1"], vec![paging(7, &[])]).await.unwrap();
    assert_eq!((first.entries.len(), first.code, first.estimate, first.cookie.is_empty()), (7, 0, 0, false));
    let mut other = service(&directory).await;
    let stolen = page(&mut other, search, &["1.1"], vec![paging(7, &first.cookie)]).await.unwrap();
    assert_eq!(stolen.code, 12, "a cookie dies with its connection");
    let unknown = page(&mut ldap, search, &["1.1"], vec![bare("1.2.3.4")]).await.unwrap();
    assert_eq!(unknown.code, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_are_given_where_asked_for() {
    let options = DirectoryOptions { users: 100, estimates: true, ..DirectoryOptions::default() };
    let directory = start(options).await.unwrap();
    let mut ldap = service(&directory).await;
    let first = page(&mut ldap, (BASE, Scope::Subtree, USERS), &["1.1"], vec![paging(7, &[])]).await.unwrap();
    assert_eq!(first.estimate, 104);
}

#[tokio::test(flavor = "multi_thread")]
async fn listens_on_loopback_only() {
    let options = DirectoryOptions { listen: "0.0.0.0:0".parse().unwrap(), ..DirectoryOptions::default() };
    assert!(matches!(start(options).await, Err(LabError::NotLoopback(_))));
    let options = DirectoryOptions { users: 1 << 40, ..DirectoryOptions::default() };
    assert!(matches!(start(options).await, Err(LabError::TooMany { what: "users", .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_directories_stand() {
    for users in [0, 1, 2, 21] {
        let directory = directory(users).await;
        directory.change(1, &Default::default());
        let mut ldap = service(&directory).await;
        let (found, code) = list(&mut ldap, (BASE, Scope::Subtree, USERS), &["*"], 50).await;
        assert_eq!((found.len() as u64, code), (directory.counts().users, Some(0)));
    }
}
