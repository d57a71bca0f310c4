// Philox4x32-10 and what its words are for: the counters of kernels/compiled/random.py and kernels/cpu/walkers.py.
#pragma once
#include "portable.cuh"

struct Words { uint32 word[4]; };

DEVICE Words philox(uint32 key0, uint32 key1, uint32 c0, uint32 c1, uint32 c2, uint32 c3) {
#ifdef __CUDACC__
#pragma unroll
#endif
    for (int round = 0; round < 10; ++round) {
        const uint32 high0 = high_word(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        const uint32 high1 = high_word(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// The third word of a counter: what the number is for.
enum Use : uint32 { START = 1, OFFSETS = 2, SHARES = 3, SCATTERING = 4, RESTART = 5, VARIATION = 6 };

DEVICE Words draw(uint64 seed, uint32 a, uint32 b, Use use, uint32 last = 0) {
    return philox((uint32)seed, (uint32)(seed >> 32), a, b, use, last);
}

DEVICE float unit(uint32 word) { return (float)(int)(word >> 8) * 5.9604644775390625e-08f; }

DEVICE Point uniform_point(uint64 seed, uint32 a, uint32 b, Use use) {
    const Words words = draw(seed, a, b, use);
    const float u = unit(words.word[0]), v = unit(words.word[1]);
    return {u + u - 1.0f, v + v - 1.0f};
}

// The key of a variation's random numbers in a step of a row of walkers.
DEVICE Key variation_key(uint64 seed, uint32 step, uint32 row, uint32 number) {
    const Words words = draw(seed, step, row, VARIATION, number);
    return {words.word[0], words.word[1]};
}
