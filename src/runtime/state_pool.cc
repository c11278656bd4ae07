// SPDX-License-Identifier: Apache-2.0
#include "runtime/state_pool.h"

namespace weft::runtime {

StatePool::StatePool(int64_t floats, int slots) : floats_((floats + 15) / 16 * 16) {
  CHECK(floats >= 0 && slots > 0, "floats={} slots={}", floats, slots);
  memory_ = tensor::Buffer(static_cast<size_t>(floats_ * slots) * sizeof(float));
  positions_.assign(static_cast<size_t>(slots), -1);
  for (int slot = slots; slot-- > 0;) free_.push_back(slot);
  CHECK(free() == this->slots());
}

int StatePool::take() {
  CHECK(!free_.empty(), "all {} states are taken", slots());
  const int slot = free_.back();
  free_.pop_back();
  CHECK(position(slot) == -1, "slot {}", slot);
  positions_[static_cast<size_t>(slot)] = 0;
  return slot;
}

void StatePool::release(int slot) {
  CHECK(position(slot) >= 0, "slot {} is freed twice", slot);
  positions_[static_cast<size_t>(slot)] = -1;
  free_.push_back(slot);
}

float* StatePool::run(int slot, int position, int count) {
  CHECK(this->position(slot) >= 0, "slot {} is free", slot);
  CHECK(position == 0 || position == this->position(slot), "state after {} tokens, run from {}",
        this->position(slot), position);
  CHECK(count > 0, "count={}", count);
  positions_[static_cast<size_t>(slot)] = position + count;
  return floats_ == 0 ? nullptr
                      : reinterpret_cast<float*>(memory_.data()) + slot * floats_;
}

}  // namespace weft::runtime
