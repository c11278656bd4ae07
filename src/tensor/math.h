// SPDX-License-Identifier: Apache-2.0
//
// exp, log, pow, sin and cos in double precision that are ours: the same bits on every machine and
// under every C library, which libm does not promise. For whatever leads to a token outside the
// kernels: rotary frequencies and angles, sampling. Plain IEEE additions, multiplications and
// divisions in a fixed order, no fma.
//
// Errors (math_test compares with long double over 10^5 arguments and more each): exp, log, sin, cos at most
// 2 ulp; pow's relative error at most 2^-52 (2 + |y ln x|). Speed does not matter here; the float
// versions for whole rows are Ops::exp and Ops::log.
#pragma once

namespace weft::tensor {

double exp(double x);            // 0 below -708.4 (no denormals), inf above 709.78
double log(double x);            // -inf at 0, NaN below
double pow(double x, double y);  // x > 0
double sin(double x);            // |x| <= 2^20 pi/2 (1.6 million); CHECK
double cos(double x);

}  // namespace weft::tensor
