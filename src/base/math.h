// SPDX-License-Identifier: Apache-2.0
//
// exp, log, sin and cos in double with the same bits on every x86-64 machine. libm's differ: glibc
// picks a variant with or without fused multiply-add by the processor it finds, and another
// version of glibc may round otherwise; a rotary angle or a sampling probability off by one ulp
// may end in another token. These use only + - * / on doubles, in a fixed order, and the build
// contracts nothing (-ffp-contract=off).
//
// Accurate to a few ulp, which is far more than their users need; not a replacement for libm where
// bits do not matter. The float twins for kernels are the tensor module's own.
#pragma once

namespace weft::math {

// e^x. 0 below -745, infinity above 709.78; NaN stays NaN.
double exp(double x);

// Natural logarithm of x > 0. Not for zero, negative numbers, infinity, NaN (a CHECK).
double log(double x);

struct SinCos {
  double sin;
  double cos;
};
// |x| <= 2^28 (a CHECK): the argument is reduced by pi/2 in four exact parts of 25 bits.
SinCos sin_cos(double x);

}  // namespace weft::math
