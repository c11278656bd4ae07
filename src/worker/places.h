// SPDX-License-Identifier: Apache-2.0
//
// Every column of the journal that holds what a run carries, as the Place that binds its sealed
// values (store/sealer.h): a function a table. What is not here is stored as it is: ids, names,
// states, times, counts, hashes of documents and models (docs/security.md lists them). A value
// keeps its place for ever, so a landed column name never changes here, whatever becomes of the
// table.
#pragma once

#include <string_view>

#include "store/sealer.h"

namespace weft::worker {

using store::Place;

// input, context, error, callback_url (as which it stands in `callback` too). `tenant` where the
// row is not there yet.
inline Place place_in_run(std::string_view column, std::string_view run,
                          std::string_view tenant = {}) {
  return {.column = column, .key = {run}, .run = run, .tenant = tenant};
}
inline Place place_of_event(std::string_view run, int64_t seq) {
  return {.column = "event.body", .key = {run}, .numbers = {seq}, .run = run};
}
// error, in_hash: a hash lets guesses be tested
inline Place place_in_step(std::string_view column, std::string_view run, std::string_view path) {
  return {.column = column, .key = {run, path}, .run = run};
}
inline Place place_of_action(std::string_view run, std::string_view path) {
  return {.column = "required_action.body", .key = {run, path}, .run = run};
}
inline Place place_of_message(std::string_view id, std::string_view run) {
  return {.column = "inbox.body", .key = {id, run}, .run = run};
}
// req_hash, response
inline Place place_in_effect(std::string_view column, std::string_view effect,
                             std::string_view run) {
  return {.column = column, .key = {effect}, .run = run};
}
// prompt_hash, sampler, prompt_ids, output_ids, reasoning, grammar, chosen, route
inline Place place_in_call(std::string_view column, std::string_view run, std::string_view path,
                           int64_t attempt, int64_t n) {
  return {.column = column, .key = {run, path}, .numbers = {attempt, n}, .run = run};
}
// request, ids, logprobs
inline Place place_in_partial(std::string_view column, std::string_view run, std::string_view path,
                              std::string_view draw, int64_t first) {
  return {.column = column, .key = {run, path, draw}, .numbers = {first}, .run = run};
}
inline Place place_of_callback_error(std::string_view run, std::string_view tenant = {}) {
  return {.column = "callback.last_error", .key = {run}, .run = run, .tenant = tenant};
}
// Documents are found by their hash, whoever stored them first: sealed for the store as a whole.
inline Place place_of_document(std::string_view hash) {
  return {.column = "definition.doc", .key = {hash}};
}
inline Place place_of_source(std::string_view tenant, std::string_view id, int64_t version) {
  return {.column = "stored_definition.source",
          .key = {tenant, id},
          .numbers = {version},
          .tenant = tenant};
}
inline Place place_of_schedule(std::string_view name) {
  return {.column = "schedule.body", .key = {name}};
}
inline Place place_of_refusal(std::string_view schedule) {
  return {.column = "schedule.refusal", .key = {schedule}};
}

}  // namespace weft::worker
