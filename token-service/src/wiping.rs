//! What is freed is wiped.
//!
//! A Flex token passes through buffers that are not ours to wipe: those in which the HTTP library reads requests and writes
//! answers, the headers that point into them, the question to Twilio. They are freed with their request, and their bytes
//! would lie in the process's memory until something else is written there: in a core dump, in the image of a machine.

use std::{
    alloc::{GlobalAlloc, Layout},
    hint::black_box,
};

/// An allocator that writes zeros over what is given back.
#[derive(Debug)]
pub struct Wiping<A>(pub A);

#[expect(
    unsafe_code,
    reason = "an allocator can only be written so; all that it adds are zeros over memory that is still its caller's"
)]
// SAFETY: every call goes to the inner allocator as it came, which keeps the trait's promises. What is written is written
// to a block of `layout.size()` bytes that the caller gives back, and before it is given back. `realloc` is the trait's own:
// a new block, a copy, and the old block given back through `dealloc`, and so wiped.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Wiping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe {
            place.write_bytes(0, layout.size());
            // Or the compiler could see that nobody reads the zeros.
            self.0.dealloc(black_box(place), layout);
        }
    }
}
