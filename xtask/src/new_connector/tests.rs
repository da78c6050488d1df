use super::*;

#[test]
fn names_are_nouns_in_snake_case() {
    for good in ["okta", "azure_api_management", "active_directory", "s3"] {
        assert!(check_name(good).is_ok(), "{good}");
    }
    let long = "a".repeat(41);
    for bad in ["", "Okta", "azure-api", "_x", "x_", "a__b", "2fa", "a_2", "../x", "a b", "é", "kit", "type", &long] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_folder_is_laid_out_once() {
    let root = std::env::temp_dir().join(format!("muster-xtask-connector-{}", std::process::id()));
    let written = lay_out(&root, "some_product").unwrap();
    assert_eq!(written.len(), TEMPLATES.len() + 1);
    let folder = root.join("crates/muster-connectors/src/some_product");
    for entry in ["mod.rs", "config.rs", "client.rs", "records.rs", "maps", "fixtures", "tests.rs", "README.md"] {
        assert!(folder.join(entry).exists(), "{entry}");
    }
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(readme.starts_with("# Some product\n\nStatus: not finished"));
    assert!(root.join("changelog.d/some-product.added.md").exists());
    for path in &written {
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        assert!(!text.contains('{'), "{} keeps a placeholder", path.display());
    }
    let error = lay_out(&root, "some_product").unwrap_err().to_string();
    assert!(error.starts_with("the connector `some_product` exists already"), "{error}");
    std::fs::remove_dir_all(root).unwrap();
}
