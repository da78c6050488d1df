//! Which products of a service hold an API, and so whether it can be called without a key.

use std::collections::BTreeMap;

use muster_core::connector::{ConnectorError, ErrorKind};
use serde::Deserialize;

use super::api::{Api, Service};
use super::arm;
use super::client::{Client, List};
use crate::kit::http::Wanted;

/// The products of a service by the names of their APIs in lower case. A product's list names APIs by ids of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Products(BTreeMap<String, Vec<Product>>);

/// What a product is to its APIs.
#[derive(Debug, Clone)]
struct Product {
    title: String,
    /// Whoever calls its APIs needs no key.
    is_open: bool,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    name: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    display_name: Option<String>,
    subscription_required: Option<bool>,
    state: Option<String>,
}

impl Products {
    /// Reads a service's products and their APIs: a list, and one more for each product. None of a workspace, whose
    /// products are not listed this way.
    pub(super) async fn of(
        client: &Client,
        service: &Service,
        wanted: Wanted<'_>,
    ) -> Result<Option<Self>, ConnectorError> {
        if service.is_workspace() {
            return Ok(None);
        }
        let list = match client.below((&service.id, service.subscription()), "products", wanted).await {
            Err(error) if arm::is_beyond_the_tier(&error) => return Ok(Some(Self::default())),
            list => whole(list?, &service.id)?,
        };
        let mut found = Self::default();
        for item in list {
            let Listed { id, name, properties } = Listed::deserialize(&item).map_err(|error| {
                let operation = format!("listing products of `{}`", service.id);
                ConnectorError::new(ErrorKind::Protocol, operation, format!("a product cannot be read: {error}"))
            })?;
            let published = properties.state.as_deref() != Some("notPublished");
            let is_open = published && properties.subscription_required == Some(false);
            let product = Product { title: properties.display_name.unwrap_or(name), is_open };
            let apis = match client.below((&id, service.subscription()), "apis", wanted).await {
                // It went since it was listed.
                Err(error) if error.message.starts_with("ResourceNotFound") => continue,
                apis => whole(apis?, &id)?,
            };
            for api in apis {
                if let Some(name) = api["name"].as_str() {
                    found.0.entry(base_name(name)).or_default().push(product.clone());
                }
            }
        }
        Ok(Some(found))
    }

    /// The names of the products that hold an API.
    pub(super) fn titles(&self, api: &Api) -> Vec<String> {
        let mut titles: Vec<String> = self.holding(api).map(|product| product.title.clone()).collect();
        titles.sort();
        titles
    }

    fn holding(&self, api: &Api) -> impl Iterator<Item = &Product> {
        self.0.get(&base_name(&api.name)).into_iter().flatten()
    }
}

/// `open` where an API can be called without a subscription's key, `key` where not; nothing where that is not known. The
/// API's policies may ask for more.
pub(super) fn access(products: Option<&Products>, api: &Api) -> Option<&'static str> {
    let open = api.properties.subscription_required == Some(false);
    match products {
        _ if open => Some("open"),
        Some(products) if products.holding(api).any(|product| product.is_open) => Some("open"),
        Some(_) => Some("key"),
        None => None,
    }
}

fn whole(list: List, place: &str) -> Result<Vec<serde_json::Value>, ConnectorError> {
    match list.open {
        None => Ok(list.items),
        Some(reason) => {
            Err(ConnectorError::new(ErrorKind::Protocol, format!("reading the products of `{place}`"), reason))
        }
    }
}

fn base_name(name: &str) -> String {
    name.split(";rev=").next().unwrap_or_default().to_ascii_lowercase()
}
