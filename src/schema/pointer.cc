// SPDX-License-Identifier: Apache-2.0
#include "schema/pointer.h"

#include "base/strings.h"

namespace weft::schema {

Result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> steps;
  if (pointer.empty()) return steps;
  if (pointer[0] != '/') {
    return make_error("E0305",
                      fmt::format("JSON pointer {} does not begin with '/'", quoted(pointer)),
                      "write it as /name/0/name, or leave it empty for the whole value");
  }
  for (size_t i = 0; i < pointer.size(); ++i) {
    const char c = pointer[i];
    if (c == '/') {
      steps.emplace_back();
    } else if (c != '~') {
      steps.back() += c;
    } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
      steps.back() += pointer[++i] == '0' ? '~' : '/';
    } else {
      return make_error("E0305",
                        fmt::format("JSON pointer {} has a '~' at offset {} that is not ~0 or ~1",
                                    quoted(pointer), i),
                        "write ~0 for '~' and ~1 for '/'");
    }
  }
  return steps;
}

void append_step(std::string& pointer, std::string_view step) {
  pointer += '/';
  for (const char c : step) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

bool array_index(std::string_view step, size_t& index) {
  if (step.empty() || step.size() > 9 || (step[0] == '0' && step.size() > 1)) return false;
  index = 0;
  for (const char c : step) {
    if (c < '0' || c > '9') return false;
    index = index * 10 + static_cast<size_t>(c - '0');
  }
  return true;
}

Result<const json::Value*> find(const json::Value& root, std::string_view pointer) {
  const json::Value* at = &root;
  std::string reached;
  for (const std::string& step : TRY(parse_pointer(pointer))) {
    const json::Value* next = nullptr;
    size_t index = 0;
    if (const auto* object = at->if_object()) {
      next = object->if_contains(step);
    } else if (const auto* array = at->if_array(); array && array_index(step, index)) {
      next = array->if_contains(index);
    }
    if (!next) {
      return make_error("E0305",
                        fmt::format("JSON pointer {} names nothing: {} is {} without {}",
                                    quoted(pointer), reached.empty() ? "the root" : reached,
                                    json::kind_name(*at), quoted(step)),
                        "check the spelling of the pointer; array places count from 0");
    }
    append_step(reached, step);
    at = next;
  }
  return at;
}

}  // namespace weft::schema
