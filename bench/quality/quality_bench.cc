// SPDX-License-Identifier: Apache-2.0
//
// Our side of bench/quality/run:
//
//   quality_bench fill FILE SEED                  values for a blank model (language.h)
//   quality_bench write MODEL PROMPTS WORDS TEXT  lets the model continue each prompt by drawing
//                                                 from its own distribution, in float32; a line of
//                                                 PROMPTS is a JSON string or an array of ids
//   quality_bench logits MODEL DTYPE KV TEXT OUT  float32 logits of all choices in TEXT
//   quality_bench compare REFERENCE OTHER TEXT    of two files of logits: one line of JSON
//
// TEXT has a line for each sequence: how many ids are the prompt, then all ids. What is scored are
// the choices that the model wrote, not the prompts: the rows of logits they were drawn from.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "quality/language.h"
#include "runtime/evaluator.h"

namespace weft::bench {
namespace {

using runtime::Evaluator;
using runtime::ModelInstance;
using text::TokenId;

struct Written {
  size_t prompt = 0;
  std::vector<TokenId> ids;
};

std::vector<Written> read_text(const std::string& path) {
  std::vector<Written> out;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Written one;
    words >> one.prompt;
    for (TokenId id = 0; words >> id;) one.ids.push_back(id);
    out.push_back(std::move(one));
  }
  return out;
}

// `dtype` may have the numerics behind it: "native fast".
std::shared_ptr<ModelInstance> load(const std::string& path, std::string_view dtype,
                                    std::string_view kv) {
  auto files = runtime::model_files_named(path);
  CHECK(files.ok(), "{}", files.error().text());
  const size_t space = dtype.find(' ');
  runtime::LoadOptions options{.precision = model::precision_of(dtype.substr(0, space)).value()};
  if (space != dtype.npos) options.numerics = tensor::numerics_of(dtype.substr(space + 1)).value();
  if (kv != "-") options.kv = tensor::kv_type_of(kv).value();
  auto loaded = ModelInstance::load(std::move(files).value(), options);
  CHECK(loaded.ok(), "{}", loaded.error().text());
  return std::move(loaded).value();
}

// ln of the sum of exp, in double.
double log_sum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - most);
  return most + std::log(sum);
}

TokenId drawn(std::span<const float> logits, double at) {
  const double whole = log_sum(logits);
  double sum = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    sum += std::exp(logits[id] - whole);
    if (sum > at) return static_cast<TokenId>(id);
  }
  return static_cast<TokenId>(logits.size() - 1);
}

std::vector<TokenId> prompt_of(const std::string& line, const ModelInstance& model) {
  const json::Value value = json::parse(line, {.depth_max = 2}).value();
  if (value.is_string()) {
    return model.tokenizer->encode(value.get_string(), text::Tokenizer::AddedTokens::kAll);
  }
  std::vector<TokenId> out;
  for (const json::Value& id : value.get_array()) out.push_back(id.to_number<TokenId>());
  return out;
}

int write(const std::string& path, const std::string& prompts, int tokens,
          const std::string& to) {
  const auto model = load(path, "f32", "f32");
  const auto ops = tensor::Ops::create({}).value();
  std::ifstream in(prompts);
  std::ofstream out(to);
  uint64_t state = 1;
  for (std::string line; std::getline(in, line);) {
    const std::vector<TokenId> prompt = prompt_of(line, *model);
    const int size = static_cast<int>(prompt.size());
    Evaluator evaluator(*model, *ops, size + tokens);
    CHECK(evaluator.feed(prompt).ok(), "the prompt does not fit");
    out << size;
    for (const TokenId id : prompt) out << ' ' << id;
    int row = size - 1;
    for (int i = 0; i < tokens; ++i) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const TokenId id = drawn(evaluator.logits(row), static_cast<double>(state >> 11) * 0x1p-53);
      out << ' ' << id;
      if (std::ranges::count(model->config.eos, id) > 0) break;
      CHECK(evaluator.feed({&id, 1}).ok(), "token {}", id);
      row = 0;
    }
    out << '\n';
  }
  return out.good() ? 0 : 1;
}

int logits(const std::vector<std::string>& arguments) {
  const auto model = load(arguments[0], arguments[1], arguments[2]);
  const auto ops =
      tensor::Ops::create({.threads = 0, .table = {}, .numerics = model->numerics}).value();
  std::ofstream out(arguments[4], std::ios::binary);
  for (const Written& one : read_text(arguments[3])) {
    Evaluator evaluator(*model, *ops, static_cast<int>(one.ids.size()));
    CHECK(evaluator.feed(one.ids).ok(), "the text does not fit");
    for (size_t i = one.prompt - 1; i + 1 < one.ids.size(); ++i) {
      const auto row = evaluator.logits(static_cast<int>(i));
      out.write(reinterpret_cast<const char*>(row.data()),
                static_cast<std::streamsize>(row.size_bytes()));
    }
  }
  return out.good() ? 0 : 1;
}

struct Sums {
  double kl = 0;
  double kl_max = 0;
  double same = 0;     // first choices alike
  double loss = 0;     // of the text, under the other; nats
  double entropy = 0;  // of the reference
  double best = 0;     // probability of the reference's first choice

  void add(std::span<const float> p, std::span<const float> q, TokenId next) {
    const double log_p = log_sum(p);
    const double log_q = log_sum(q);
    double divergence = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      const double ln = p[i] - log_p;
      const double share = std::exp(ln);
      divergence += share * (ln - (q[i] - log_q));
      entropy -= share * ln;
    }
    const auto first = std::max_element(p.begin(), p.end());
    kl += divergence;
    kl_max = std::max(kl_max, divergence);
    same += std::max_element(q.begin(), q.end()) - q.begin() == first - p.begin() ? 1 : 0;
    loss -= q[static_cast<size_t>(next)] - log_q;
    best += std::exp(*first - log_p);
  }
};

std::span<const float> floats(const MappedFile& file) {
  return {reinterpret_cast<const float*>(file.bytes().data()),
          file.bytes().size() / sizeof(float)};
}

int compare(const std::string& reference, const std::string& other, const std::string& path) {
  const MappedFile a = MappedFile::open(reference).value();
  const MappedFile b = MappedFile::open(other).value();
  std::vector<TokenId> next;
  for (const Written& one : read_text(path)) {
    next.insert(next.end(), one.ids.begin() + static_cast<std::ptrdiff_t>(one.prompt),
                one.ids.end());
  }
  CHECK(!next.empty() && floats(a).size() % next.size() == 0 &&
            floats(a).size() == floats(b).size(),
        "{} and {} numbers for {} choices", floats(a).size(), floats(b).size(), next.size());
  const size_t words = floats(a).size() / next.size();
  Sums sums;
  for (size_t i = 0; i < next.size(); ++i) {
    sums.add(floats(a).subspan(i * words, words), floats(b).subspan(i * words, words), next[i]);
  }
  const auto n = static_cast<double>(next.size());
  std::printf("{\"positions\": %zu, \"mean_kl\": %.3g, \"max_kl\": %.3g, \"top1\": %.4f, "
              "\"perplexity\": %.4f, \"entropy\": %.3f, \"best\": %.3f}\n",
              next.size(), sums.kl / n, sums.kl_max, sums.same / n, std::exp(sums.loss / n),
              sums.entropy / n, sums.best / n);
  return 0;
}

int integer(const std::string& text) {
  int out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

int run(const std::vector<std::string>& words) {
  const std::string what = words.empty() ? "" : words[0];
  const std::vector<std::string> rest(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (what == "fill" && rest.size() == 2) {
    const Status filled = fill_language(rest[0], static_cast<uint64_t>(integer(rest[1])));
    CHECK(filled.ok(), "{}", filled.error().text());
    return 0;
  }
  if (what == "write" && rest.size() == 4) {
    return write(rest[0], rest[1], integer(rest[2]), rest[3]);
  }
  if (what == "logits" && rest.size() == 5) return logits(rest);
  if (what == "compare" && rest.size() == 3) return compare(rest[0], rest[1], rest[2]);
  std::fprintf(stderr, "usage: quality_bench fill|write|logits|compare …: see quality_bench.cc\n");
  return 2;
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::run({argv + 1, argv + argc}); }
