// TROUPE_HOST_DEVICE before a function: kernels of GPUs call it too, so that a formula is written
// once.
#pragma once

#ifdef __CUDACC__
#define TROUPE_HOST_DEVICE __host__ __device__
#else
#define TROUPE_HOST_DEVICE
#endif
