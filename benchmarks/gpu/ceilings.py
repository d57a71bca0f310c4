"""What a GPU can do at most of what the chaos game does most: additions in shared memory, and float32 arithmetic."""

import numpy as np

from benchmarks.common import part_of
from benchmarks.gpu.place import Place
from benchmarks.gpu.report import Report
from fractalvid.kernels.cuda.cupy_device import CupyDevice

BLOCKS, THREADS, STEPS = 8, 512, 4096  # blocks a multiprocessor

SOURCE = r"""
extern "C" __global__ void atomics(unsigned int* out, int steps) {
    __shared__ unsigned int counts[12288];
    for (int i = threadIdx.x; i < 12288; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    unsigned int place = threadIdx.x * 2654435769u + blockIdx.x;
    for (int step = 0; step < steps; ++step) {
        place = place * 1664525u + 1013904223u;
        atomicAdd(counts + __umulhi(place, 12288u), 1u);
    }
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = counts[blockIdx.x % 12288];
}
extern "C" __global__ void arithmetic(float* out, int steps) {
    float a = threadIdx.x, b = a + 1, c = a + 2, d = a + 3;
    const float q = 0.999f + 1e-9f * blockIdx.x;
    for (int step = 0; step < steps; ++step) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            a = a * q + 1.0f; b = b * q + 1.0f; c = c * q + 1.0f; d = d * q + 1.0f;
        }
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = a + b + c + d;
}
"""


def ceilings(report: Report, place: Place) -> None:
    """Additions to 12,288 random places in shared memory, a frame of 112² nearly; and fused multiply-adds, a second."""
    device = place.kernels
    assert isinstance(device, CupyDevice)
    xp, blocks = device.xp, BLOCKS * device.multiprocessors
    with device.stream():
        module = xp.RawModule(code=SOURCE, backend="nvrtc")
        counts, numbers = xp.empty(blocks, np.uint32), xp.empty(blocks * THREADS, np.float32)

        def run(name: str, out: object) -> float:
            kernel = module.get_function(name)
            return place.seconds(lambda: kernel((blocks,), (THREADS,), (out, np.int32(STEPS))))

        atomics = blocks * THREADS * STEPS / run("atomics", counts) / 1e9
        arithmetic = blocks * THREADS * STEPS * 32 / run("arithmetic", numbers) / 1e9
    report.add("additions in shared memory, G/s: no kernel counts more points", f"{atomics:.0f}", g=atomics)
    report.add(
        "float32 instructions, G/s; at so many G points/s one has so many instructions",
        f"{arithmetic:.0f}; 50: {arithmetic / 50:.0f}, 200: {arithmetic / 200:.0f}",
        g=arithmetic,
    )


def main() -> None:
    """Name the benchmark that measures this."""
    part_of("benchmarks.gpu --only points", __doc__)


if __name__ == "__main__":
    main()
