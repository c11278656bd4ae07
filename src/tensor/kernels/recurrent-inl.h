// SPDX-License-Identifier: Apache-2.0
//
// Recurrent layers: a causal convolution over few positions, and the state update of Mamba2, token
// by token. A lane is a channel, or an element of a head; what is summed over taps or over the
// state is one fma chain in ascending order. So a token's numbers depend on the state before it
// and on nothing else: no chunk, batch or thread can show. Over the primitives of the including
// file.
#pragma once

namespace weft::tensor {
namespace {

// ln(1 + e^x) = max(x, 0) + ln(1 + z), z = e^-|x|. With u = 1 + z rounded, ln(u) z / (u - 1) undoes
// the rounding of u, and z itself is right where u = 1.
inline Floats softplus16(Floats x) {
  const Floats one = splat(1.0f);
  const Floats z = exp16(sub(splat(0.0f), absolute(x)));
  const Floats u = add(one, z);
  const Floats grown = mul(log16(u), div(z, sub(u, one)));
  const Floats tail = choose_less(one, u, grown, z);
  return choose_ordered(x, add(max(x, splat(0.0f)), tail));
}

// y = silu(bias + sum_j weights[j] * rows[j]).
inline void conv_silu_row(const ConvJob* job) {
  for (int64_t i = 0; i < job->n; i += 16) {
    const int64_t left = job->n - i;
    Floats sum = job->bias != nullptr ? load_up_to(job->bias + i, left) : splat(0.0f);
    for (int32_t j = 0; j < job->taps; ++j) {
      sum = fma(load_up_to(job->weights + j * job->n + i, left),
                load_up_to(job->rows[j] + i, left), sum);
    }
    const Floats gate = add(splat(1.0f), exp16(sub(splat(0.0f), sum)));
    store_up_to(job->y + i, div(sum, gate), left);
  }
}

// step = clamp(softplus(dt + bias), low, high), decay = exp(a step).
inline void mamba_steps_row(float* step, float* decay, const float* dt, const float* bias,
                            const float* a, const float* limits, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t left = n - i;
    Floats s = softplus16(add(load_up_to(dt + i, left), load_up_to(bias + i, left)));
    s = min(splat(limits[1]), max(splat(limits[0]), s));  // in this order a NaN stays one
    store_up_to(step + i, s, left);
    store_up_to(decay + i, exp16(mul(load_up_to(a + i, left), s)), left);
  }
}

// Several vectors are always whole ones; a single one may be the end of a head.
template <int V>
inline Floats load_element(const float* p, int64_t left) {
  return V > 1 ? load(p) : load_up_to(p, left);
}
template <int V>
inline void store_element(float* p, Floats v, int64_t left) {
  if constexpr (V > 1) {
    store(p, v);
  } else {
    store_up_to(p, v, left);
  }
}

// V vectors of a head's elements, from element `first`, through all tokens.
//   state[j] = decay state[j] + B[j] (step x);  y = sum_j C[j] state[j] + skip x
// Several tokens at a time, the state read once for four, has the same bits and gains nothing: the
// three operations an element are what takes the time (43 us a token of Granite 4.0 H Micro's
// layer, 42 so). Of a prompt the scan is a ninth of the products (bench/kernels); the form of
// Mamba2 as products of blocks would save most of that, and would have other bits than decoding.
template <int V>
inline void mamba_elements(const MambaJob* job, int64_t first) {
  const int64_t p = job->head_dim;
  const int64_t left = p - first;  // what is left of the head; matters for the last vector
  for (int64_t t = 0; t < job->tokens; ++t) {
    const float* x = job->x + t * job->stride + first;
    const float* b = job->b + t * job->stride;
    const float* c = job->c + t * job->stride;
    const Floats decay = splat(job->decay[t * job->step_stride]);
    const Floats step = splat(job->step[t * job->step_stride]);
    Floats input[V];
    Floats sum[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      input[v] = mul(step, load_element<V>(x + v * 16, left));
      sum[v] = splat(0.0f);
    }
    for (int64_t j = 0; j < job->state_dim; ++j) {
      float* state = job->state + j * p + first;
      const Floats bj = splat(b[j]);
      const Floats cj = splat(c[j]);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const Floats s = fma(decay, load_element<V>(state + v * 16, left), mul(bj, input[v]));
        store_element<V>(state + v * 16, s, left);
        sum[v] = fma(cj, s, sum[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Floats skipped = fma(splat(job->skip), load_element<V>(x + v * 16, left), sum[v]);
      store_element<V>(job->y + t * job->y_stride + first + v * 16, skipped, left);
    }
  }
}

inline void mamba_head(const MambaJob* job) {
  const int64_t p = job->head_dim;
  int64_t first = 0;
  for (; first + 64 <= p; first += 64) mamba_elements<4>(job, first);
  for (; first + 32 <= p; first += 32) mamba_elements<2>(job, first);
  for (; first < p; first += 16) mamba_elements<1>(job, first);
}

}  // namespace
}  // namespace weft::tensor
