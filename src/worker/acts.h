// SPDX-License-Identifier: Apache-2.0
//
// Acts: what steps and the tools of agents did outside of this process, or were kept from doing, as
// rows for the audit (docs/audit.md). A row says who was reached and how it ended, and holds the
// hash of what was sent; never a body, a path or query of an address, or a secret.
//
// Pure functions, of any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "worker/records.h"
#include "worker/step_type.h"

namespace weft::worker {

// Of a step that is about to begin; nothing: it stays inside, or does what is not recorded.
std::optional<ActRow> act_of_step(const StepType& type, const json::Object& parameters);
// Of an agent's call; type and target follow when they are known (aim_act).
ActRow act_of_call(std::string_view tool, const json::Value& arguments);
void aim_act(ActRow& act, const StepType& type, const json::Object& parameters);
// How it ended. What failed before it began (`began`) was refused, as is what a guard stopped.
void end_act(ActRow& act, const StepOutcome& outcome, bool began);

// For StepType::target().
// "https://host:8443" of an address: without user, path and query, which may be secrets.
std::string origin_of(std::string_view url);
// The parameter as text, "" where it is none.
std::string word_of(const json::Object& parameters, std::string_view name);

}  // namespace weft::worker
