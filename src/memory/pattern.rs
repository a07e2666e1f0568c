//! The texts by which a lack of memory is known: libtorch's, CUDA's, C++'s, Rust's and the system's own.
//!
//! In: a panic's message, or what a process printed before it died. Out: a [`Shortage`] with the numbers that the
//! text has, or `None` where the text is about something else.

/// Whose memory ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The machine's.
    Host,
    /// An NVIDIA GPU's.
    Cuda,
    /// Apple's GPU's, which is a share of the machine's.
    Mps,
}

/// An allocation that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Where.
    pub place: Place,
    /// Bytes asked for, where the text says.
    pub asked: Option<u64>,
    /// Bytes that were free on the device, where the text says.
    pub free: Option<u64>,
    /// Bytes the device has, where the text says.
    pub total: Option<u64>,
}

#[cfg(test)]
impl Shortage {
    pub(super) fn on(place: Place, asked: Option<u64>) -> Shortage {
        Shortage { place, asked, free: None, total: None }
    }
}

/// How a text is known, and what follows the words by which it is.
struct Pattern {
    words: &'static str,
    place: Place,
    read: fn(&str) -> Numbers,
}

/// Asked for, free, in all.
type Numbers = (Option<u64>, Option<u64>, Option<u64>);

const PATTERNS: &[Pattern] = &[
    // libtorch, in order of how much they tell.
    host("DefaultCPUAllocator: can't allocate memory: you tried to allocate ", asked_bytes),
    host("DefaultCPUAllocator: not enough memory: you tried to allocate ", asked_bytes),
    cuda("CUDA out of memory. Tried to allocate ", cuda_numbers),
    Pattern { words: "MPS backend out of memory (", place: Place::Mps, read: mps_numbers },
    Pattern { words: "Invalid buffer size: ", place: Place::Mps, read: asked_size },
    // The libraries below it. Their handles and workspaces are allocated behind libtorch's back.
    cuda("CUBLAS_STATUS_ALLOC_FAILED", nothing),
    cuda("CUDNN_STATUS_ALLOC_FAILED", nothing),
    cuda("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", nothing),
    host("CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED", nothing),
    cuda("CUDA error: out of memory", nothing),
    cuda("CUDA driver error: out of memory", nothing),
    // More elements than any memory has.
    host("Storage size calculation overflowed", nothing),
    host("std::bad_alloc", nothing),
    host("libgomp: Out of memory allocating ", asked_bytes),
    // Rust's own allocator, before it aborts.
    host("memory allocation of ", asked_bytes_failed),
    host("Cannot allocate memory (os error 12)", nothing),
];

const fn host(words: &'static str, read: fn(&str) -> Numbers) -> Pattern {
    Pattern { words, place: Place::Host, read }
}

const fn cuda(words: &'static str, read: fn(&str) -> Numbers) -> Pattern {
    Pattern { words, place: Place::Cuda, read }
}

/// Whether a text tells of a lack of memory.
#[must_use]
pub fn recognise(text: &str) -> Option<Shortage> {
    PATTERNS.iter().find_map(|pattern| {
        let (_, rest) = text.split_once(pattern.words)?;
        let (asked, free, total) = (pattern.read)(rest);
        // Rust's words are everyday words: without the number they are somebody else's.
        let certain = !pattern.words.starts_with("memory allocation") || asked.is_some();
        certain.then_some(Shortage { place: pattern.place, asked, free, total })
    })
}

fn nothing(_: &str) -> Numbers {
    (None, None, None)
}

/// `8589934592 bytes. Error code 12 (Cannot allocate memory)`
fn asked_bytes(rest: &str) -> Numbers {
    (whole(rest).map(|(bytes, _)| bytes), None, None)
}

/// `17179869184 bytes failed`
fn asked_bytes_failed(rest: &str) -> Numbers {
    let asked = whole(rest).filter(|(_, rest)| rest.starts_with(" bytes failed"));
    (asked.map(|(bytes, _)| bytes), None, None)
}

/// `40.00 GiB`
fn asked_size(rest: &str) -> Numbers {
    (size(rest), None, None)
}

/// `20.00 GiB. GPU 0 has a total capacity of 139.72 GiB of which 3.01 GiB is free. …`
fn cuda_numbers(rest: &str) -> Numbers {
    let after = |words: &str| size(rest.split_once(words)?.1);
    (size(rest), after(" of which "), after("total capacity of "))
}

/// `MPS allocated: 20.14 GiB, other allocations: 384.00 KiB, max allowed: 20.13 GiB). Tried to allocate 6.00 KiB on
/// private pool. …`; the other allocations may be nonsense.
fn mps_numbers(rest: &str) -> Numbers {
    let after = |words: &str| size(rest.split_once(words)?.1);
    let total = after("max allowed: ");
    let taken = after("MPS allocated: ").zip(after("other allocations: "));
    let free = taken.zip(total).map(|((own, other), total)| total.saturating_sub(own.saturating_add(other)));
    (after("Tried to allocate "), free, total)
}

fn whole(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// As libtorch writes sizes: `512 bytes`, `2.00 KiB`, `6.00 MiB`, `1.50 GiB`.
fn size(text: &str) -> Option<u64> {
    let (number, rest) = text.split_once(' ')?;
    let units = [("bytes", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (_, shift) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
    let bytes = number.parse::<f64>().ok()? * f64::from(shift).exp2();
    // Saturates, and what is no number becomes 0.
    Some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;
    const GIB: f64 = 1024.0 * MIB;

    fn found(text: &str) -> (Place, Option<u64>, Option<u64>, Option<u64>) {
        let Shortage { place, asked, free, total } = recognise(text).unwrap_or_else(|| panic!("{text}"));
        (place, asked, free, total)
    }

    fn bytes(number: f64) -> Option<u64> {
        Some(number as u64)
    }

    #[test]
    fn the_cpu_allocators_refusal_has_the_bytes_asked_for() {
        // As burn passes it on: tch wraps it in an unwrapped error.
        let panic = r#"called `Result::unwrap()` on an `Err` value: Torch("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 1024000000000 bytes. Error code 12 (Cannot allocate memory)\nException raised from alloc_cpu at")"#;
        assert_eq!(found(panic), (Place::Host, Some(1_024_000_000_000), None, None));
    }

    #[test]
    fn cudas_refusal_has_three_numbers() {
        let text = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.72 GiB of which \
                    3.01 GiB is free. Including non-PyTorch memory, this process has 136.70 GiB memory in use. Of the \
                    allocated memory 135.00 GiB is allocated by PyTorch, and 500.50 MiB is reserved by PyTorch but \
                    unallocated. If reserved but unallocated memory is large try setting \
                    PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.";
        assert_eq!(found(text), (Place::Cuda, bytes(20.0 * GIB), bytes(3.01 * GIB), bytes(139.72 * GIB)));
        let partly = "CUDA out of memory. Tried to allocate 512 bytes";
        assert_eq!(found(partly), (Place::Cuda, Some(512), None, None));
    }

    #[test]
    fn apples_refusal_says_what_is_allowed() {
        let text = "MPS backend out of memory (MPS allocated: 20.14 GiB, other allocations: 384.00 KiB, max allowed: \
                    20.13 GiB). Tried to allocate 6.00 MiB on private pool. Use \
                    PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 to disable upper limit for memory allocations (may cause \
                    system failure).";
        assert_eq!(found(text), (Place::Mps, bytes(6.0 * MIB), Some(0), bytes(20.13 * GIB)));
        assert_eq!(found("Invalid buffer size: 40.00 GiB").1, bytes(40.0 * GIB));
    }

    #[test]
    fn the_libraries_below_have_no_numbers() {
        let texts = [
            (Place::Cuda, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            (Place::Cuda, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
            (Place::Cuda, "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
            (Place::Cuda, "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
            (Place::Cuda, "CUDA driver error: out of memory"),
            (Place::Host, "Storage size calculation overflowed with sizes=[1048576, 4096, 1024, 1024, 8]"),
            (
                Place::Host,
                "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
            ),
            (Place::Host, "cannot map data/cache/x.bin: Cannot allocate memory (os error 12)"),
        ];
        for (place, text) in texts {
            assert_eq!(found(text), (place, None, None, None), "{text}");
        }
    }

    #[test]
    fn rusts_refusal_is_known_by_its_number() {
        assert_eq!(found("memory allocation of 34359738368 bytes failed").1, Some(34_359_738_368));
        assert_eq!(found("libgomp: Out of memory allocating 4096 bytes").1, Some(4096));
        assert_eq!(recognise("memory allocation of the device is fine"), None);
        assert_eq!(recognise("memory allocation of 7 bytes succeeded"), None);
    }

    #[test]
    fn other_complaints_are_about_something_else() {
        let texts = [
            "",
            "The size of tensor a (8) must match the size of tensor b (4) at non-singleton dimension 1",
            "CUDA error: an illegal memory access was encountered",
            "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
            "cannot write x: No space left on device (os error 28)",
            "the data set is kept in memory",
        ];
        for text in texts {
            assert_eq!(recognise(text), None, "{text}");
        }
    }
}
