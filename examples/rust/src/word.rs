//! A stream of steps, safe to use: it owns the memory that C works in.
use std::ffi::{c_char, c_int, c_void, CStr};

extern "C" {
    static conv_delay_256_state_words: u32;
    static conv_delay_256_score_words: u32;
    static conv_delay_256_inputs: u32;
    static conv_delay_256_outputs: u32;
    fn conv_delay_256_reset(state: *mut c_void);
    fn conv_delay_256_step(state: *mut c_void, x: *const u8, y: *mut f32) -> c_int;
    fn conv_delay_256_decide(score: *mut c_void, y: *const f32) -> i32;
    fn conv_delay_256_label(class: i32) -> *const c_char;
    fn conv_delay_256_self_test() -> c_int;
}

fn zeros(words: u32) -> Vec<u64> {
    vec![0; words as usize]
}

pub struct Word {
    state: Vec<u64>,
    score: Vec<u64>,
    y: Vec<f32>,
}

impl Word {
    pub fn new() -> Self {
        // SAFETY: constants, and a reset of memory of the size that the C compiler gave
        unsafe {
            let mut state = zeros(conv_delay_256_state_words);
            conv_delay_256_reset(state.as_mut_ptr().cast());
            let y = vec![0.0; conv_delay_256_outputs as usize];
            Self { state, score: zeros(conv_delay_256_score_words), y }
        }
    }

    /// Counts of a step.
    pub fn inputs() -> usize {
        unsafe { conv_delay_256_inputs as usize }
    }

    /// One step of `inputs` counts; the class so far.
    pub fn step(&mut self, x: &[u8]) -> i32 {
        assert_eq!(x.len(), Self::inputs());
        // SAFETY: all lengths are those of the header
        unsafe {
            conv_delay_256_step(self.state.as_mut_ptr().cast(), x.as_ptr(), self.y.as_mut_ptr());
            conv_delay_256_decide(self.score.as_mut_ptr().cast(), self.y.as_ptr())
        }
    }
}

pub fn label(class: i32) -> Option<&'static str> {
    // SAFETY: a string in the library, or NULL
    unsafe {
        let text = conv_delay_256_label(class);
        if text.is_null() { None } else { CStr::from_ptr(text).to_str().ok() }
    }
}

/// Whether the tables and the recorded outputs are as they were built.
pub fn sound() -> bool {
    unsafe { conv_delay_256_self_test() == 0 }
}
