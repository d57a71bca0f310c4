// What CUDA and plain C++17 call differently, and the few types of everything else.
#pragma once

#ifdef __CUDACC__
#define DEVICE __device__ __forceinline__
#define BITS_OF_FLOAT(x) __float_as_int(x)
#define FLOAT_OF_BITS(x) __int_as_float(x)
#define HIGH_WORD(a, b) __umulhi(a, b)
#else
#include <cmath>
#include <cstring>
#define DEVICE inline
static inline int BITS_OF_FLOAT(float x) { int bits; std::memcpy(&bits, &x, 4); return bits; }
static inline float FLOAT_OF_BITS(int x) { float number; std::memcpy(&number, &x, 4); return number; }
static inline unsigned int HIGH_WORD(unsigned int a, unsigned int b) { return (unsigned long long)a * b >> 32; }
#endif

using uint8 = unsigned char;
using uint32 = unsigned int;
using uint64 = unsigned long long;
using int64 = long long;

template <class A, class B> struct Pair { A first; B second; };
template <class A, class B, class C> struct Triple { A first; B second; C third; };
template <class A, class B> DEVICE Pair<A, B> pair_of(A a, B b) { return {a, b}; }
template <class A, class B, class C> DEVICE Triple<A, B, C> triple_of(A a, B b, C c) { return {a, b, c}; }

using Point = Pair<float, float>;
using Key = Pair<uint32, uint32>;

// Of a number and NaN, the first: as Python's min and max, and unlike fminf and fmaxf. A point that is lost stays lost.
DEVICE float smaller(float a, float b) { return b < a ? b : a; }
DEVICE float larger(float a, float b) { return b > a ? b : a; }
DEVICE float absolute(float x) { return fabsf(x); }
DEVICE float square_root(float x) { return sqrtf(x); }
DEVICE float nearest(float x) { return rintf(x); }
DEVICE float floor_of(float x) { return floorf(x); }
DEVICE int bits_of_float(float x) { return BITS_OF_FLOAT(x); }
DEVICE float float_of_bits(int x) { return FLOAT_OF_BITS(x); }
DEVICE float infinity() { return FLOAT_OF_BITS(0x7f800000); }
DEVICE uint32 high_word(uint32 a, uint32 b) { return HIGH_WORD(a, b); }

// Which of `count` jobs a kernel works on: all, or those of the clips that a mask names, `each` jobs a clip. Blocks share
// them out among themselves, so that a few blocks pass over many jobs fast; a job that is passed over keeps what it had.
struct Where {
    const bool* mask;
    int each, count;
    DEVICE bool holds(int job) const { return mask == nullptr || mask[job / each]; }
};
#define WHERE const bool *mask, int each, int count
#define THIS_WHERE Where{mask, each, count}

// A loop over `count` items, which all threads of all blocks share out among themselves.
#define EACH(i, count) \
    for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64)gridDim.x * blockDim.x)
