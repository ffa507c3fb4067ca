// TROUPE_CLONES before a function: it is compiled for several instruction sets, and the one to use
// is chosen when the program starts. Its bits do not depend on the choice, as nothing is contracted
// (-ffp-contract=off) and sums keep the order in which they are written.
#pragma once

// Sanitizers instrument the start-up code that chooses a clone before they are ready for it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define TROUPE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TROUPE_CLONES
#endif
