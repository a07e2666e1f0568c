//! How much to test.

/// How much to test, from `ABLATE_TEST_TIER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    Quick,
    Standard,
    Full,
}

impl Tier {
    /// The tier asked for; `standard` where nothing is said.
    pub(crate) fn asked() -> Tier {
        match std::env::var("ABLATE_TEST_TIER").as_deref() {
            Ok("quick") => Tier::Quick,
            Ok("full") => Tier::Full,
            Ok("standard") | Err(_) => Tier::Standard,
            Ok(other) => panic!("ABLATE_TEST_TIER = {other}: use quick, standard or full"),
        }
    }

    /// One of three sizes.
    pub(crate) fn pick<T>(self, quick: T, standard: T, full: T) -> T {
        match self {
            Tier::Quick => quick,
            Tier::Standard => standard,
            Tier::Full => full,
        }
    }

    /// Whether this tier leaves a test out, which it then says.
    pub(crate) fn leaves_out(self, below: Tier, test: &str) -> bool {
        let out = self < below;
        if out {
            eprintln!("skipped in tier {self:?}: {test}");
        }
        out
    }
}
