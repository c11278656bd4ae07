// SPDX-License-Identifier: Apache-2.0
#include "backend/endpoints.h"

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"

namespace weft::backend {
namespace {

// How much busier the endpoint with the cached prefix may be than the idlest before it is not
// worth it: a prefill costs about as much as two requests that decode.
constexpr double kAffinitySlack = 2;

constexpr int64_t kProbeLookUs = 100'000;

uint64_t mixed(uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

uint64_t prefix_of(std::string_view text) {
  const Sha256 digest = sha256(text);
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | digest[i];
  return value;
}

Endpoints::Endpoints(std::vector<Endpoint> endpoints, BreakerOptions options)
    : options_(options) {
  CHECK(!endpoints.empty(), "a model without an endpoint");
  for (Endpoint& one : endpoints) {
    CHECK(one.weight > 0, "{} has the weight {}", one.url, one.weight);
    states_.push_back({std::move(one)});
    states_.back().pause_us = options_.pause_us;
  }
}

bool Endpoints::may_ask(const State& state, int64_t now_us) const {
  return now_us >= state.closed_until_us && !(state.open && state.probing);
}

double Endpoints::load(const State& state) {
  return static_cast<double>(state.outstanding) / state.endpoint.weight;
}

// Rendezvous hashing: an endpoint that comes or goes moves only the prefixes that are its own.
std::optional<size_t> Endpoints::take(uint64_t prefix, int64_t now_us,
                                      const std::vector<size_t>& tried) {
  std::optional<size_t> near, idle;
  uint64_t near_rank = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (!may_ask(states_[i], now_us)) continue;
    if (std::find(tried.begin(), tried.end(), i) != tried.end()) continue;
    const uint64_t rank = mixed(prefix ^ mixed(i));
    if (!near || rank > near_rank) {
      near = i;
      near_rank = rank;
    }
    if (!idle || load(states_[i]) < load(states_[*idle])) idle = i;
  }
  if (!near) return std::nullopt;
  // A probe is one request, whoever it belongs to.
  const bool close = load(states_[*near]) <= load(states_[*idle]) + kAffinitySlack &&
                     !states_[*near].open;
  const size_t chosen = close ? *near : *idle;
  states_[chosen].outstanding += 1;
  states_[chosen].probing = states_[chosen].open;
  return chosen;
}

void Endpoints::give_back(size_t index, const News& news) {
  CHECK(index < states_.size() && states_[index].outstanding > 0, "endpoint {} was not taken",
        index);
  State& state = states_[index];
  state.outstanding -= 1;
  // One incident opens the breaker once, however many requests were under way; and only the probe
  // speaks for the probe.
  const bool late = state.open && news.taken_us < state.opened_us;
  if (!late) state.probing = false;
  switch (news.outcome) {
    case Outcome::kNothing:
      return;
    case Outcome::kBusy:
      state.closed_until_us = std::max(state.closed_until_us, news.now_us + news.busy_us);
      [[fallthrough]];
    case Outcome::kGood:
      state.failures = 0;
      state.open = state.probing = false;
      state.pause_us = options_.pause_us;
      return;
    case Outcome::kFailed:
      break;
  }
  if (late) return;
  state.failures += 1;
  if (!state.open && state.failures < options_.failures_max) return;
  state.open = true;
  state.opened_us = news.now_us;
  state.closed_until_us = news.now_us + state.pause_us;
  state.pause_us = std::min(state.pause_us * 2, options_.pause_us_max);
}

int64_t Endpoints::free_at_us(int64_t now_us) const {
  std::optional<int64_t> first;
  for (const State& state : states_) {
    int64_t at = std::max(now_us, state.closed_until_us);
    if (state.open && state.probing) at = std::max(at, now_us + kProbeLookUs);
    if (!first || at < *first) first = at;
  }
  return first.value_or(now_us);
}

std::string_view Endpoints::breaker(size_t index, int64_t now_us) const {
  CHECK(index < states_.size(), "endpoint {} of {}", index, states_.size());
  const State& state = states_[index];
  if (!state.open) return "closed";
  return now_us < state.closed_until_us ? "open" : "half open";
}

}  // namespace weft::backend
