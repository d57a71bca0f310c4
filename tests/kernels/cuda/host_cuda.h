// CUDA's block of threads on one thread of a processor, so that kernels run, and are tested, without a GPU.
//
// Every thread of a block is a fiber that gives way at a barrier. Between two barriers they run one after the other, in
// either order: a result that depends on the order lacks a barrier. Shared memory is full of rubbish at first, and what
// lies beyond what a block asked for must still be there in the end.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <string>
#include <typeinfo>
#include <vector>

#define __global__
#define __launch_bounds__(most)

struct Index { unsigned int x, y; };
static Index threadIdx, blockIdx, blockDim, gridDim;

constexpr unsigned int RUBBISH = 0xDEADBEEFu, MOST_WORDS = 1u << 16;
static unsigned int shared_words[MOST_WORDS];

namespace host {
constexpr int STACK = 1 << 16;
struct Fiber { ucontext_t context; jmp_buf place; bool ended; std::vector<char> stack; };
static std::vector<Fiber> fibers;
static jmp_buf scheduler;
static void (*body)(void**);
static void** values;

static void enter() {
    body(values);
    fibers[threadIdx.x].ended = true;
    _longjmp(scheduler, 1);
}

// Run a fiber from where it is until it gives way, or ends. Contexts begin fibers; jumps, which ask nothing of the
// system, do the rest.
__attribute__((noinline)) static void resume(Fiber& fiber, bool begins) {
    if (_setjmp(scheduler) != 0) return;
    if (begins) setcontext(&fiber.context);
    _longjmp(fiber.place, 1);
}

// Returns whether all threads came to the same barriers.
static bool run_block(unsigned int threads, bool backwards) {
    for (unsigned int t = 0; t < threads; ++t) {
        Fiber& fiber = fibers[t];
        fiber.ended = false;
        getcontext(&fiber.context);
        fiber.context.uc_stack = {fiber.stack.data(), 0, fiber.stack.size()};
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, enter, 0);
    }
    bool begins = true;
    for (unsigned int ended = 0; ended == 0; begins = false) {
        for (unsigned int i = 0; i < threads; ++i) {
            threadIdx.x = backwards ? threads - 1 - i : i;
            resume(fibers[threadIdx.x], begins);
        }
        for (unsigned int t = 0; t < threads; ++t) ended += fibers[t].ended;
        if (ended != 0 && ended != threads) return false;
    }
    return true;
}

// 0, or what went wrong: 1 a barrier that not all threads came to, 2 a write beyond the block's shared memory.
static int launch(void (*kernel)(void**), const unsigned int* shape, void** arguments) {
    const unsigned int threads = shape[2], words = shape[3] / 4;
    body = kernel;
    values = arguments;
    gridDim = {shape[0], shape[1]};
    blockDim = {threads, 1};
    fibers.resize(threads);
    for (Fiber& fiber : fibers) fiber.stack.resize(STACK);
    for (unsigned int& word : shared_words) word = RUBBISH;
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
        for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
            for (unsigned int i = 0; i < words; ++i) shared_words[i] = RUBBISH;
            if (!run_block(threads, shape[4])) return 1;
        }
    for (unsigned int i = words; i < MOST_WORDS; ++i)
        if (shared_words[i] != RUBBISH) return 2;
    return 0;
}

template <class... Values, std::size_t... Places>
void call(void (*kernel)(Values...), void** arguments, std::index_sequence<Places...>) {
    kernel(*static_cast<Values*>(arguments[Places])...);
}
template <class... Values> void call(void (*kernel)(Values...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Values...>{});
}

// The types of a kernel's parameters, as the compiler names them, a space before each.
template <class... Values> const char* parameters(void (*)(Values...)) {
    static const std::string names = ((std::string(" ") + typeid(Values).name()) + ... + std::string());
    return names.c_str();
}
}  // namespace host

// A library's entry to a kernel: shape is grid x, grid y, threads, bytes of shared memory, whether backwards.
#define LAUNCHER(kernel)                                                                                     \
    extern "C" const char* parameters_##kernel() { return host::parameters(kernel); }                       \
    extern "C" int launch_##kernel(const unsigned int* shape, void** arguments) {                            \
        return host::launch([](void** given) { host::call(kernel, given); }, shape, arguments);              \
    }

__attribute__((noinline)) static void __syncthreads() {
    if (_setjmp(host::fibers[threadIdx.x].place) == 0) _longjmp(host::scheduler, 1);
}
template <class T> T atomicAdd(T* place, T value) {
    const T before = *place;
    *place += value;
    return before;
}
template <class T> T atomicMax(T* place, T value) {
    const T before = *place;
    *place = before < value ? value : before;
    return before;
}
