// SPDX-License-Identifier: Apache-2.0
//
// weft-train: trains the demo model (`train`) and answers prompts with it (`generate`).
#include <charconv>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "generate.h"
#include "train.h"

namespace weft_training {
namespace {

constexpr char kUsage[] =
    R"(usage: weft-train train    --samples FILE --checkpoint FILE --stop-at-tokens N [options]
       weft-train generate --checkpoint FILE --stop-ids A,B [options] < prompts > answers

train:    --start FILE (begin from its weights)   --embeddings FILE   --seed N
          --learning-rate X
          --warmup-steps N   --decay-from-tokens N   --decay-to-tokens N   --optimizer muon|adamw
          --embedding-rate-share X   --products int8|float32   --dropout X
          --shard-rows N   --shards N   --threads N   --checkpoint-seconds N
          --hidden N --layers N --query-heads N --key-heads N --head-dim N --feed-forward N
          --vocabulary N   (shape of a new model)
generate: --tokens-max N   --threads N
          --choices A,B,C   (instead of an answer: the logits of these ids behind each prompt)
          a prompt is a line of token ids; so is an answer
)";

using Setters = std::map<std::string, std::function<void(const std::string&)>, std::less<>>;

template <typename Number>
std::function<void(const std::string&)> number(Number& target) {
  return [&target](const std::string& text) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), target);
    if (error != std::errc{} || end != text.data() + text.size())
      throw std::invalid_argument("expected a number, found '" + text + "'");
  };
}

std::function<void(const std::string&)> text(std::string& target) {
  return [&target](const std::string& value) { target = value; };
}

void parse(int count, char** arguments, const Setters& setters) {
  for (int i = 2; i < count; i += 2) {
    const std::string name = arguments[i];
    const auto setter = setters.find(name);
    if (setter == setters.end()) throw std::invalid_argument("unknown option '" + name + "'");
    if (i + 1 >= count) throw std::invalid_argument("expected a value after '" + name + "'");
    setter->second(arguments[i + 1]);
  }
}

void run_train(int count, char** arguments) {
  TrainOptions o;
  const auto optimizer = [&o](const std::string& value) {
    if (value != "muon" && value != "adamw")
      throw std::invalid_argument("expected --optimizer muon or adamw, found '" + value + "'");
    o.optimizer.muon = value == "muon";
  };
  const auto products = [&o](const std::string& value) {
    if (value != "int8" && value != "float32")
      throw std::invalid_argument("expected --products int8 or float32, found '" + value + "'");
    o.rounded = value == "int8";
  };
  parse(count, arguments,
        {{"--products", products},
         {"--samples", text(o.samples)},
         {"--checkpoint", text(o.checkpoint)},
         {"--start", text(o.start)},
         {"--embeddings", text(o.embeddings)},
         {"--seed", number(o.seed)},
         {"--learning-rate", number(o.learning_rate)},
         {"--warmup-steps", number(o.warmup_steps)},
         {"--decay-from-tokens", number(o.decay_from_tokens)},
         {"--decay-to-tokens", number(o.decay_to_tokens)},
         {"--stop-at-tokens", number(o.stop_at_tokens)},
         {"--optimizer", optimizer},
         {"--embedding-rate-share", number(o.optimizer.embedding_rate_share)},
         {"--dropout", number(o.dropout)},
         {"--shard-rows", number(o.shard_rows)},
         {"--shards", number(o.shards)},
         {"--threads", number(o.threads)},
         {"--checkpoint-seconds", number(o.checkpoint_seconds)},
         {"--hidden", number(o.shape.hidden)},
         {"--layers", number(o.shape.layers)},
         {"--query-heads", number(o.shape.query_heads)},
         {"--key-heads", number(o.shape.key_heads)},
         {"--head-dim", number(o.shape.head_dim)},
         {"--feed-forward", number(o.shape.feed_forward)},
         {"--vocabulary", number(o.shape.vocabulary)}});
  if (o.samples.empty() || o.checkpoint.empty() || o.stop_at_tokens <= 0)
    throw std::invalid_argument("train needs --samples, --checkpoint and --stop-at-tokens");
  train(o);
}

std::vector<int> ids_in(const std::string& line, char separator) {
  std::vector<int> ids;
  std::istringstream in(line);
  int id = 0;
  const auto set = number(id);
  for (std::string word; std::getline(in, word, separator);) {
    set(word);
    ids.push_back(id);
  }
  return ids;
}

void run_generate(int count, char** arguments) {
  GenerateOptions o;
  std::string checkpoint;
  std::vector<int> choices;
  parse(count, arguments,
        {{"--checkpoint", text(checkpoint)},
         {"--stop-ids", [&o](const std::string& value) { o.stop_ids = ids_in(value, ','); }},
         {"--choices", [&choices](const std::string& value) { choices = ids_in(value, ','); }},
         {"--tokens-max", number(o.tokens_max)},
         {"--threads", number(o.threads)}});
  const Checkpoint weights = read_checkpoint(checkpoint);
  std::vector<std::vector<int>> prompts;
  for (std::string line; std::getline(std::cin, line);) prompts.push_back(ids_in(line, ' '));
  const auto print = [](const auto& rows) {
    for (const auto& row : rows) {
      for (size_t i = 0; i < row.size(); ++i) std::cout << (i ? " " : "") << row[i];
      std::cout << '\n';
    }
  };
  if (choices.empty())
    print(generate(weights, prompts, o));
  else
    print(choose(weights, prompts, choices, o));
}

}  // namespace
}  // namespace weft_training

int main(int count, char** arguments) {
  const std::string_view command = count > 1 ? arguments[1] : "";
  try {
    if (command == "train") {
      weft_training::run_train(count, arguments);
    } else if (command == "generate") {
      weft_training::run_generate(count, arguments);
    } else {
      std::fputs(weft_training::kUsage, stderr);
      return 2;
    }
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "weft-train: %s\n%s", error.what(), weft_training::kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "weft-train: %s\n", error.what());
    return 1;
  }
  return 0;
}
