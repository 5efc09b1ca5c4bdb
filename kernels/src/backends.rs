//! The one list of the backends that the operations run on.
//!
//! Each but Flex has a feature of this package, which turns it on in Burn, too: only then Burn has its type. For graphics
//! cards that is `Cube`, with a feature `wgpu = ["burn/wgpu"]`. It is left out, because no test runs it.

/// Defines a trait of operations, and sends their calls on [`burn::backend::Dispatch`] to the backend of the tensors.
macro_rules! on_every_backend {
    ($($operations:tt)*) => {
        #[burn::backend::backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Autodiff)]
        $($operations)*
    };
}

/// Gives the backends without fused code the traits' default bodies, which are the plain twins.
macro_rules! plain_twins {
    ($($operations:ident),*) => {
        $(
            #[cfg(feature = "ndarray")]
            impl $operations for burn::backend::NdArray {}
        )*
    };
}
