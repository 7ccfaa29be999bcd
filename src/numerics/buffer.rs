//! Arrays over a grid, aligned to vector registers: on unaligned ones every load would cross a cache line.

use aligned_vec::{AVec, ConstAlign};

/// Bytes; the widest vector register and a cache line.
const ALIGN: usize = 64;

/// An aligned array.
pub(crate) type Buffer = AVec<f64, ConstAlign<ALIGN>>;

/// `n` zeros.
pub(crate) fn zeros(n: usize) -> Buffer {
    let mut buffer = Buffer::with_capacity(ALIGN, n);
    buffer.resize(n, 0.0);
    buffer
}

/// A copy.
pub(crate) fn copy(values: &[f64]) -> Buffer {
    Buffer::from_slice(ALIGN, values)
}

/// Asks for `values` to be brought into the L1 cache, ahead of their use; does nothing where no such instruction is known.
#[inline(always)]
pub(crate) fn prefetch(values: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks(ALIGN / size_of::<f64>()) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch changes nothing that the program can see, whatever the address. Newer compilers know it.
        #[allow(unused_unsafe)]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// One row of a tile on the stack.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Row<const N: usize>(pub [f64; N]);

impl<const N: usize> Row<N> {
    pub const ZERO: Self = Self([0.0; N]);
}
