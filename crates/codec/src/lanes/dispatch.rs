//! One function body compiled for several processors, the right one taken at run time.
//!
//! The product is built for the baseline of its architecture (on x86-64 that is SSE2). Loops over
//! lanes gain two to four times from AVX2 and AVX-512, so their bodies are compiled again with these
//! enabled and vectorised by the compiler. "AVX-512" is what all its processors since 2019 have.

/// Defines functions whose bodies are also compiled with AVX2 and with AVX-512 on x86-64. Arguments
/// are plain names. What a body calls takes part only when it is inlined.
macro_rules! for_each_processor {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)?
        $body:block
    )*) => {$(
        $(#[$attribute])*
        #[inline]
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn portable($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
                fn avx2($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }

                #[target_feature(
                    enable = "avx2,bmi1,bmi2,lzcnt,avx512f,avx512dq,avx512vl,avx512bw,avx512vbmi2"
                )]
                fn avx512($($argument: $type),*) $(-> $result)? {
                    portable($($argument),*)
                }

                match $crate::lanes::dispatch::processor() {
                    // SAFETY: `processor` found every feature that the function is compiled for.
                    $crate::lanes::dispatch::Processor::Avx512 => {
                        return unsafe { avx512($($argument),*) };
                    }
                    // SAFETY: as above.
                    $crate::lanes::dispatch::Processor::Avx2 => {
                        return unsafe { avx2($($argument),*) };
                    }
                    $crate::lanes::dispatch::Processor::Baseline => {}
                }
            }
            portable($($argument),*)
        }
    )*};
}

pub(crate) use for_each_processor;

/// What [`for_each_processor`] compiles for.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Processor {
    Baseline,
    Avx2,
    Avx512,
}

/// The best that this processor has; the answer is kept by the standard library.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn processor() -> Processor {
    use std::is_x86_feature_detected as has;
    let avx2 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("lzcnt");
    let avx512 = avx2
        && has!("avx512f")
        && has!("avx512dq")
        && has!("avx512vl")
        && has!("avx512bw")
        && has!("avx512vbmi2");
    if avx512 {
        Processor::Avx512
    } else if avx2 {
        Processor::Avx2
    } else {
        Processor::Baseline
    }
}
