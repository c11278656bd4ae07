// SPDX-License-Identifier: Apache-2.0
//
// `weft models quantize`: writes the directory, then says what it cost: the error of every tensor,
// and on the logits of one text the KL divergence from the original in float32 and how often the
// likeliest token stays the same.
#include <fmt/format.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/threads.h"
#include "cli/exit.h"
#include "cli/models.h"
#include "cli/terminal.h"
#include "model/quantiser.h"
#include "runtime/evaluator.h"

namespace weft::cli {
namespace {

using model::Precision;
using runtime::ModelInstance;
using text::TokenId;

struct Comparison {
  int positions = 0;
  double mean_kl = 0;
  double largest_kl = 0;
  double top1 = 0;  // share of positions with the same likeliest token
};

// Tokens of the text, or ids from a fixed sequence where no text is given.
Result<std::vector<TokenId>> tokens_for(const ModelsQuantizeOptions& options,
                                        const ModelInstance& model) {
  const auto count = static_cast<size_t>(std::min(options.positions, model.config.context));
  std::vector<TokenId> out;
  if (!options.text.empty() && model.tokenizer.has_value()) {
    out = model.tokenizer->encode(TRY(read_file(options.text, size_t{64} << 20)),
                                  text::Tokenizer::AddedTokens::kNone);
    out.resize(std::min(out.size(), count));
    return out;
  }
  uint64_t state = 1;
  while (out.size() < count) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    out.push_back(static_cast<TokenId>((state >> 33) %
                                       static_cast<uint64_t>(model.config.vocab_size)));
  }
  return out;
}

// KL(p || q) of the softmax of two rows of logits.
double divergence(tensor::Ops& ops, std::span<const float> p, std::span<const float> q) {
  std::vector<float> a(p.size());
  std::vector<float> b(q.size());
  const float log_a = ops.softmax(a, p);
  const float log_b = ops.softmax(b, q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double difference = (double{p[i]} - log_a) - (double{q[i]} - log_b);
    sum += double{a[i]} * difference;
  }
  return std::max(sum, 0.0);
}

Result<Comparison> compare(const ModelsQuantizeOptions& options) {
  const auto load = [&](const std::string& name, Precision precision) {
    auto files = runtime::model_files_named(name);
    using Loaded = Result<std::shared_ptr<ModelInstance>>;
    if (!files.ok()) return Loaded(std::move(files).error());
    return ModelInstance::load(std::move(files).value(),
                               {.precision = precision, .threads = options.threads});
  };
  const auto original = TRY(load(options.model, Precision::kF32));
  const auto packed = TRY(load(options.directory, Precision::kNative));
  const auto ops = TRY(tensor::Ops::create({.threads = options.threads, .table = {}}));
  const std::vector<TokenId> tokens = TRY(tokens_for(options, *original));
  Comparison out;
  out.positions = static_cast<int>(tokens.size());
  if (tokens.empty()) return out;
  runtime::Evaluator reference(*original, *ops, out.positions);
  runtime::Evaluator evaluator(*packed, *ops, out.positions);
  TRY(reference.feed(tokens));
  TRY(evaluator.feed(tokens));
  for (int i = 0; i < out.positions; ++i) {
    const auto row = reference.logits(i);
    const std::vector<float> p(row.begin(), row.end());
    const auto q = evaluator.logits(i);
    const double kl = divergence(*ops, p, q);
    out.mean_kl += kl / out.positions;
    out.largest_kl = std::max(out.largest_kl, kl);
    out.top1 += (ops->argmax(p) == ops->argmax(q) ? 1.0 : 0.0) / out.positions;
  }
  return out;
}

json::Object errors_json(const std::vector<model::QuantisedTensor>& tensors,
                         const Result<Comparison>& compared, bool wanted) {
  json::Array list;
  for (const model::QuantisedTensor& tensor : tensors) {
    list.push_back(json::Object{{"name", tensor.name},
                                {"rows", tensor.rows},
                                {"columns", tensor.columns},
                                {"relative_error", tensor.relative_error}});
  }
  json::Object out{{"tensors", std::move(list)}};
  if (!wanted) return out;
  if (!compared.ok()) {
    out["logits"] = json::Object{{"error", compared.error().text()}};
    return out;
  }
  out["logits"] = json::Object{{"positions", compared->positions},
                               {"mean_kl", compared->mean_kl},
                               {"largest_kl", compared->largest_kl},
                               {"top1", compared->top1}};
  return out;
}

Result<std::vector<model::QuantisedTensor>> write(const ModelsQuantizeOptions& options) {
  if (options.type != "q8" && options.type != "q4") {
    return make_error("E0214", fmt::format("--type {} is no quantisation", quoted(options.type)),
                      "expected q8 or q4");
  }
  const Precision precision = TRY(model::precision_of(options.type));
  model::ModelFiles files = TRY(runtime::model_files_named(options.model));
  ThreadPool pool(options.threads > 0 ? options.threads : usable_cores());
  model::QuantiseOptions to{.precision = precision, .directory = options.directory,
                            .on_tensor = {}};
  if (!options.json) {
    to.on_tensor = [](const model::QuantisedTensor& tensor) {
      print_data(fmt::format("{:.5f}\t{} ({}, {})", tensor.relative_error, tensor.name, tensor.rows,
                             tensor.columns));
    };
  }
  return model::quantise_model(files, to, pool);
}

}  // namespace

int quantize_model(const ModelsQuantizeOptions& options) {
  const auto tensors = write(options);
  if (!tensors.ok()) {
    say_error(tensors.error());
    const std::string& code = tensors.error().code;
    if (code == "E0214") return kExitUsage;
    return code == "E0213" || code == "E0710" ? kExitNotFound : kExitConfiguration;
  }
  const bool wanted = options.positions > 0;
  const Result<Comparison> compared = wanted ? compare(options) : Comparison{};
  if (options.json) {
    print_data(json::dump(errors_json(*tensors, compared, wanted)));
  } else if (!compared.ok()) {
    say(fmt::format("The model is written; its logits were not compared: {}",
                    compared.error().text()));
  } else if (wanted) {
    print_data(fmt::format("logits at {} positions against float32: mean KL {:.6f}, "
                           "largest {:.5f}, the same likeliest token at {:.1f} %",
                           compared->positions, compared->mean_kl, compared->largest_kl,
                           100 * compared->top1));
  }
  return kExitOk;
}

}  // namespace weft::cli
