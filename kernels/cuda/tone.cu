#include "portable.cuh"

// `kernels.tone.plan` (J, 5) for projections (J, 3, 3), exposures (J, 2) and numbers of points (J); it checks nothing. A
// thread a job; blocks: any.
extern "C" __global__ void plan(const float* projection, const float* exposure, const int64* points, int jobs, double gain,
                                float* out) {
    EACH(j, jobs) {
        double p[9];
        for (int k = 0; k < 9; ++k) p[k] = projection[j * 9 + k];
        // The last row of the inverse, times the determinant.
        double row[3] = {p[3] * p[7] - p[4] * p[6], p[1] * p[6] - p[0] * p[7], p[0] * p[4] - p[1] * p[3]};
        const double determinant = row[0] * p[2] + row[1] * p[5] + row[2] * p[8];
        for (int k = 0; k < 3; ++k) row[k] /= determinant;
        const double s = row[0] == 0 && row[1] == 0 ? fabs(row[2]) : 1.0;
        out[j * 5] = (float)(gain / 9.0 / (double)points[j] * exposure[2 * j] * fabs(determinant) * s * s * s);
        out[j * 5 + 1] = (float)(gain * exposure[2 * j + 1]);
        for (int k = 0; k < 3; ++k) out[j * 5 + 2 + k] = (float)row[k];
    }
}
