// Points of attractors, and growth at infinity. Blocks: any; threads: walkers, in one row. See `kernels.orbit`.
#include "histogram.cuh"

// Sees every walker after every step: records its point, and restarts it where it has escaped.
struct Record {
    const Game& game;
    int burn_in, n;
    float* out;

    DEVICE void operator()(int, int, int column, int step, int, float& x, float& y) {
        const bool lost = escaped(x, y);
        const int64 place = (int64)(step - burn_in) * game.columns + column;
        if (place >= 0 && place < n && step >= burn_in) {
            out[2 * place] = lost ? infinity() : x;
            out[2 * place + 1] = lost ? infinity() : y;
        }
        if (lost) {
            const Point p = uniform_point(*game.seed, step, column, RESTART);
            x = p.first;
            y = p.second;
        }
    }
};

extern "C" __global__ void __launch_bounds__(BLOCK) orbit(JOBS, WHERE, int burn_in, int n, float* out) {
    const Jobs jobs = THESE_JOBS;
    const Where where = THIS_WHERE;
    const int columns = blockDim.x;
    for (int job = blockIdx.x; job < where.count; job += gridDim.x) {
        if (!where.holds(job)) continue;
        const Game game = game_of(jobs, job, columns);
        __syncthreads();
        float x[WALKERS], y[WALKERS];
        begin_walkers(jobs, job, game, x, y);
        Record visit{game, burn_in, n, out + (int64)job * n * 2};
        play(game, burn_in + (n + columns - 1) / columns, Offsets::BY_ROW, x, y, visit);
        __syncthreads();  // Nobody reads this job's tables any more.
    }
}

constexpr float FAR = 1e5f, OVERFLOWED = 1e15f;
// Where a product of ratios begins: four ratios of 1e-5 to 1e10 then fit a float, and no digit of theirs changes.
constexpr float UNIT = 1.0f / (1 << 20), LOG_OF_UNIT = -13.862943611f;
// What is above this may overflow once it is brought back from UNIT to 1.
constexpr float HUGE_RATIO = 1e30f;

// Sees every walker after every step: multiplies up how its distance grew, and puts it back to radius FAR.
struct Growth {
    int burn_in;
    float ratio, total;

    DEVICE void renormalise(float& x, float& y) {
        float r = square_root(x * x + y * y);
        const bool lost = !(r < OVERFLOWED);
        r = lost ? OVERFLOWED : (r > 1.0f ? r : 1.0f);
        x = lost ? 0.6f * FAR : x * (FAR / r);
        y = lost ? 0.8f * FAR : y * (FAR / r);
        ratio = ratio * (r / FAR);
    }
    DEVICE float taken() {
        const bool huge = ratio > HUGE_RATIO;
        const float value = table::log(huge ? ratio : ratio * (1.0f / UNIT)) - (huge ? LOG_OF_UNIT : 0.0f);
        ratio = UNIT;
        return value;
    }
    DEVICE void operator()(int, int, int, int step, int, float& x, float& y) {
        // Four ratios fit a float (see UNIT), five might not; logarithms are the dear part.
        if ((step & 3) == 0 || step == burn_in) {
            const float value = taken();
            total += step > burn_in ? value : 0.0f;
        }
        renormalise(x, y);
    }
};

extern "C" __global__ void __launch_bounds__(BLOCK) growth(JOBS, WHERE, int burn_in, int steps, float* out) {
    const Jobs jobs = THESE_JOBS;
    const Where where = THIS_WHERE;
    const int columns = blockDim.x;
    for (int job = blockIdx.x; job < where.count; job += gridDim.x) {
        if (!where.holds(job)) continue;
        const Game game = game_of(jobs, job, columns);
        __syncthreads();
        float x[WALKERS], y[WALKERS];
        begin_walkers(jobs, job, game, x, y);
        Growth visit{burn_in, UNIT, 0.0f};
        visit.renormalise(x[0], y[0]);
        play(game, burn_in + steps, Offsets::BY_STEP, x, y, visit);
        float_at(game.end + threadIdx.x) = visit.total + visit.taken();
        __syncthreads();
        if (threadIdx.x == 0) {
            // One after the other, so that rounding does not depend on who came first.
            float sum = 0.0f;
            for (int k = 0; k < columns; ++k) sum += float_at(game.end + k);
            out[job] = sum / (float)(columns * steps);
        }
        __syncthreads();
    }
}
