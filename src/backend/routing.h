// SPDX-License-Identifier: Apache-2.0
//
// Which model answers, in which mode, with how many tokens of thought, and what it costs. Pure: the
// configuration, what is measured so far and what has been spent come in; a route with its reasons
// comes out. The same rules serve a request (router.h), `weft explain` and `weft plan`.
//
//   name of a model --------------------------------------------------> that model
//   "default" --> the device's model, if the configuration has devices
//   "auto" -----> complexity < threshold: the general model, else the deep one
//   a class, a profile --> its model, mode and limits
//   then: ceilings (a cheaper model, or E0774), then the budget that the time left affords
//
// Answering is not its business, nor is judging answers beyond `unsure`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace weft::backend {

// What a model costs: remote ones by token, local ones by the second that they compute.
struct ModelPrice {
  double prompt_per_million = 0, answer_per_million = 0;
  double per_hour = 0;
};
// How a user of a kind of workflow weighs things, and what that means.
struct RouteProfile {
  std::string model = {};            // empty: chosen by what follows
  std::string mode = {};             // non_reasoning, reasoning, adaptive; empty: as asked for
  std::optional<double> speed{}, accuracy{}, resource{};  // weights, 0 … 1
  std::optional<int64_t> max_tokens{}, thinking_limit{};
};
struct RouteModel {
  ModelPrice price = {};
  // What is known before anything is measured, 0 … 1 each; of use only beside other models.
  double accuracy = 0.5, speed = 0.5, resource = 0.5;
};
struct Ceilings {
  // Each in the currency of the prices. Of a run in all, of the others in a calendar month (UTC).
  std::optional<double> run{}, account{}, tenant{}, month{};
  bool cheaper = true;  // else the request is refused
};
struct RoutingConfig {
  std::map<std::string, RouteModel> models;         // every name that requests may give
  std::string device = {};                          // "mobile", "tablet", "server" or any other
  std::map<std::string, std::string> devices = {};  // device class -> model
  double threshold = 0.5;
  std::string general = {}, deep = {};              // of "auto"; empty: there is no "auto"
  std::map<std::string, RouteProfile> classes = {};   // of tasks
  std::map<std::string, RouteProfile> profiles = {};  // user-defined
  double sure = 0.8;                                // least probability of a chosen value
  Ceilings ceilings = {};
  bool has_names(const std::string& name) const;    // a model, or a word of routing
};

// Of a model, from its answers so far.
struct Measured {
  double tokens_per_second = 0;   // 0: nothing is measured
  double first_seconds = 0;       // until the first token
};
struct Spent {
  double run = 0, account = 0, tenant = 0, month = 0;
};
struct RouteQuery {
  std::string model = "default";
  RouteWish wish = {};
  Thinking thinking = Thinking::kAuto;
  std::optional<int64_t> thinking_budget{};  // asked for
  int64_t max_tokens = 512;
  int64_t prompt_tokens = 0;                 // about
  int64_t answer_reserve = 64;               // tokens that the answer itself needs
  std::optional<int64_t> left_ms{};          // until the deadline
  Spent spent = {};
  std::map<std::string, Measured> measured = {};
  // Of a model: its engine ends the thinking itself, in time for the answer. Null: of none.
  std::function<bool(const std::string&)> keeps_deadlines = {};
};
struct Route {
  std::string model;
  std::string escalate_to = {};     // where an unsure answer is asked for again; empty: nowhere
  Thinking thinking = Thinking::kAuto;
  std::optional<int64_t> thinking_budget{};
  int64_t max_tokens = 512;
  bool adaptive = false;            // first without thinking, with it only if unsure and there
                                    // is somewhere to escalate to
  double price = 0;                 // about, of the whole answer; 0: nobody has set a price
  double second_price = 0;          // adaptive: the same of a second answer
  std::vector<std::string> reasons = {};
};

// What the rules have to say about: else the request goes where it says, untouched.
bool wants_route(const RoutingConfig& config, const std::string& model, const RouteWish& wish);

// E0774: a ceiling is reached and nothing cheaper is allowed. E0773: "auto" without models.
Result<Route> choose_route(const RoutingConfig& config, const RouteQuery& query);

// Tokens of thought that fit before the deadline. Of a model whose engine keeps deadlines, all but
// what the answer needs. Of another what the time left affords at the measured speed, less the
// answer and a reserve of a tenth; nothing measured: a quarter of max_tokens. Never beyond `limit`.
int64_t affordable_thinking(const RouteQuery& query, const std::string& model,
                            std::optional<int64_t> limit);

// What an answer of `max_tokens` would cost at most; 0 where nobody has set a price.
double highest_price(const RoutingConfig& config, const RouteQuery& query,
                     const std::string& model, int64_t max_tokens);

// The ceiling that `price` more would break ("run", "key", "tenant", "month"), or nothing: a model
// without a price breaks none.
std::string broken_ceiling(const RoutingConfig& config, const Spent& spent,
                           const std::string& model, double price);

// What an answer has cost.
double price_of(const ModelPrice& price, const TokenCounts& tokens, double seconds);

// The least probability among the values that the answer chose; without any, the geometric mean of
// its tokens; 1 where neither is known.
double confidence_of(const ChatResult& result);

// As the journal keeps it.
json::Object route_record(const Route& route);

}  // namespace weft::backend
