// SPDX-License-Identifier: Apache-2.0
//
// Secrets by reference. A template is rendered twice: for the record, where `secrets.NAME` is the
// text "[secret NAME]" and nothing else, and once more with the values, in memory alone, by
// begin_step() (rehearsal.h) right before a step sends them. So only what stands in a definition is
// ever a reference: text of an input, of a model or of a server that looks like one is text.
//
// What a step gives back is searched for the values, and "[secret NAME]" put in their place, before
// anybody sees it. Proposed steps (`plan`) have no secrets: who proposes them is not trusted.
//
// Immutable; any thread. SecretValues has no formatter, and must not get one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "net/client.h"
#include "worker/step_type.h"
#include "worker/tool_settings.h"
#include "workflow/definition.h"

namespace weft::worker {

// What stands for the secrets of a run in everything that is kept: name -> "[secret NAME]".
json::Object secret_marks(const ToolSettings* settings, const json::Object& run_context);
// E0633: a step names a secret that this process has not; the hint is the nearest that it has.
Status check_secrets(const workflow::Workflow& workflow, const ToolSettings* settings,
                     const json::Object& run_context);
// The value as it is now. Reads a file of at most 64 KiB at each use (as short as that, it may on
// the loop), so that one that is exchanged counts at once. E0633: it is not there, or it is nothing
// that can be kept out of answers.
Result<std::string> secret_value(const std::string& name, const SecretSource& source);

// The secrets of one attempt or tool call.
struct SecretUse {
  std::vector<std::string> names;
  // The parameters once more, with these texts for the secrets. What it refers to outlives
  // begin_step().
  std::function<Result<json::Value>(const json::Object& secrets)> render;
};

class SecretValues {
 public:
  // Values of the secrets that `context` uses, put into its parameters. E0633.
  static Result<std::shared_ptr<const SecretValues>> put_into(StepContext& context);

  // E0634: one of them may not be sent there.
  Status may_go_to(std::string_view url) const;
  // Without the values: as they are, and as URLs and JSON write them.
  std::string redacted(std::string text) const;
  json::Value redacted(const json::Value& value) const;
  Error redacted(const Error& error) const;
  net::Response redacted(net::Response response) const;
  StepOutcome redacted(StepOutcome outcome) const;

 private:
  struct Form {
    std::string text;   // what must not be seen
    std::string mark;   // what stands there instead
  };
  void add(const std::string& value, const std::string& mark);
  void add_differences(const json::Value& sent, const json::Value& kept);
  void add_all(const json::Value& sent);
  void sort();
  std::string redacted_message(std::string text) const;

  std::vector<std::pair<std::string, SecretSource>> sources_;  // without their values
  std::vector<Form> forms_;                                    // longest first
};

}  // namespace weft::worker
