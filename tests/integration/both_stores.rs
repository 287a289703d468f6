//! The same test on both stores.

/// Makes of each function that takes an empty store a module with two tests, `on_sqlite` and `on_kafka`.
macro_rules! on_both_stores {
    ($($(#[$attribute:meta])* fn $name:ident($store:ident: &TestStore) $body:block)*) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn behaviour($store: &TestStore) $body

            #[test]
            fn on_sqlite() {
                behaviour(&TestStore::sqlite());
            }

            #[test]
            fn on_kafka() {
                behaviour(&TestStore::kafka());
            }
        }
    )*};
}

pub(crate) use on_both_stores;
