// SPDX-License-Identifier: Apache-2.0
#include "cli/logits.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/json.h"
#include "cli/exit.h"
#include "cli/lines.h"
#include "cli/terminal.h"
#include "runtime/evaluator.h"

namespace weft::cli {
namespace {

using text::TokenId;

constexpr int kGreedyMax = 100'000;

struct Query {
  std::vector<TokenId> tokens;
  std::vector<int> chunks;     // sizes; together all tokens
  std::set<int> positions;
  int top = 10;
  int greedy = 0;
};

Error wrong(std::string message) { return make_error("E0730", std::move(message)); }

Result<std::vector<int>> integers(const json::Object& line, std::string_view field, int low) {
  std::vector<int> out;
  const json::Value* value = line.if_contains(field);
  if (value == nullptr || value->is_null()) return out;
  const auto bad = [&] {
    return wrong(
        fmt::format("'{}' should be an array of integers from {} to 2^31 - 1", field, low));
  };
  if (!value->is_array()) return bad();
  for (const json::Value& item : value->get_array()) {
    if (!item.is_int64() || item.get_int64() < low || item.get_int64() > INT32_MAX) return bad();
    out.push_back(static_cast<int>(item.get_int64()));
  }
  return out;
}

Result<int> integer(const json::Object& line, std::string_view field, int absent, int high) {
  const json::Value* value = line.if_contains(field);
  if (value == nullptr || value->is_null()) return absent;
  if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > high) {
    return wrong(fmt::format("'{}' should be an integer from 0 to {}", field, high));
  }
  return static_cast<int>(value->get_int64());
}

Result<Query> parse_query(std::string_view text, const runtime::ModelInstance& model) {
  const json::Value value = TRY(json::parse(text, {.depth_max = 8}));
  if (!value.is_object()) return wrong("a line should be a JSON object");
  const json::Object& line = value.get_object();
  for (const auto& [name, member] : line) {
    static const std::set<std::string_view> known = {"tokens", "top", "positions", "greedy",
                                                     "chunks"};
    if (!known.contains(name)) {
      return wrong(fmt::format("field '{}' is not known", std::string_view(name)));
    }
  }
  Query out;
  out.tokens = TRY(integers(line, "tokens", 0));
  if (out.tokens.empty()) return wrong("'tokens' should hold at least one token");
  TRY(runtime::check_tokens(model, out.tokens));
  const int count = static_cast<int>(out.tokens.size());
  out.top = TRY(integer(line, "top", 10, model.config.vocab_size));
  out.greedy = TRY(integer(line, "greedy", 0, kGreedyMax));
  out.chunks = TRY(integers(line, "chunks", 1));
  if (out.chunks.empty()) out.chunks = {count};
  if (std::accumulate(out.chunks.begin(), out.chunks.end(), int64_t{0}) != count) {
    return wrong(fmt::format("'chunks' should add up to the {} tokens", count));
  }
  const std::vector<int> positions = TRY(integers(line, "positions", 0));
  out.positions.insert(positions.begin(), positions.end());
  if (!line.contains("positions")) out.positions = {count - 1};
  if (!out.positions.empty() && *out.positions.rbegin() >= count) {
    return wrong(fmt::format("position {} is beyond the {} tokens", *out.positions.rbegin(),
                             count));
  }
  return out;
}

json::Object describe(int position, std::span<const float> logits, int top) {
  std::vector<int> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto before = [&](int a, int b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::partial_sort(ids.begin(), ids.begin() + top, ids.end(), before);
  json::Array best;
  for (int i = 0; i < top; ++i) {
    const int id = ids[static_cast<size_t>(i)];
    best.push_back(json::Array{id, logits[static_cast<size_t>(id)]});
  }
  double sum = 0;
  double squares = 0;
  for (const float x : logits) {
    sum += x;
    squares += double{x} * x;
  }
  return {{"pos", position}, {"top", std::move(best)},
          {"mean", sum / static_cast<double>(logits.size())}, {"l2", std::sqrt(squares)}};
}

Result<json::Object> answer(std::string_view text, runtime::ModelInstance& model,
                            tensor::Ops& ops) {
  const Query query = TRY(parse_query(text, model));
  const int64_t total = static_cast<int64_t>(query.tokens.size()) + query.greedy;
  runtime::Evaluator evaluator(
      model, ops, static_cast<int>(std::min<int64_t>(total, model.config.context)));
  json::Array positions;
  int at = 0;
  for (const int chunk : query.chunks) {
    TRY(evaluator.feed(std::span(query.tokens).subspan(static_cast<size_t>(at),
                                                       static_cast<size_t>(chunk))));
    for (auto p = query.positions.lower_bound(at); p != query.positions.end() && *p < at + chunk;
         ++p) {
      positions.push_back(describe(*p, evaluator.logits(*p - at), query.top));
    }
    at += chunk;
  }
  json::Array greedy;
  int row = query.chunks.back() - 1;
  for (int i = 0; i < query.greedy; ++i) {
    const auto next = static_cast<TokenId>(ops.argmax(evaluator.logits(row)));
    greedy.push_back(next);
    if (i + 1 == query.greedy) break;
    TRY(evaluator.feed({&next, 1}));
    row = 0;
  }
  return json::Object{{"positions", std::move(positions)}, {"greedy", std::move(greedy)}};
}

Result<std::shared_ptr<runtime::ModelInstance>> load(const LogitsOptions& options) {
  const auto precision = TRY(model::precision_of(options.dtype));
  model::ModelFiles files = TRY(runtime::model_files_named(options.model));
  runtime::LoadOptions load{.precision = precision, .threads = options.threads};
  TRY(options.flags.set(load));
  return runtime::ModelInstance::load(std::move(files), load);
}

}  // namespace

int run_logits(const LogitsOptions& options) {
  auto loaded = load(options);
  if (!loaded.ok()) {
    say_error(loaded.error());
    if (loaded.error().code == "E0214") return kExitUsage;
    const std::string& code = loaded.error().code;
    return code == "E0213" || code == "E0710" ? kExitNotFound : kExitConfiguration;
  }
  auto ops = tensor::Ops::create({.threads = options.threads, .table = {},
                                  .numerics = loaded.value()->numerics});
  if (!ops.ok()) {
    say_error(ops.error());
    return kExitConfiguration;
  }
  return answer_lines([&](std::string_view line) -> Result<std::string> {
    return json::dump(TRY(answer(line, *loaded.value(), *ops.value())));
  });
}

}  // namespace weft::cli
