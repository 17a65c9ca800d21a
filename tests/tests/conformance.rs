//! The conformance suite on every placement.

mod mem {
    fn url(case: &str) -> String {
        format!("mem:{case}")
    }

    syncbridge_tests::conformance!(super::url);
}
