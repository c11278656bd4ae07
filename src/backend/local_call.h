// SPDX-License-Identifier: Apache-2.0
//
// What every use of a local model's engine shares: the handle that its owner cancels by, and the
// sampler's parameters out of request and checkpoint.
//
// No prompt and no result here: those differ between a chat and a bare completion.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/models.h"
#include "chat/message.h"

namespace weft::backend {

// One call: cancelled by its owner, prepared on the backend's thread, completed on the engine's.
class LocalCall final : public ChatCall {
 public:
  void cancel() override {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (handle_.has_value()) handle_->cancel();
  }
  void started(const runtime::Handle& handle) {
    const std::lock_guard lock(mutex_);
    handle_ = handle;
    if (cancelled_) handle.cancel();
  }
  bool cancelled() {
    const std::lock_guard lock(mutex_);
    return cancelled_;
  }

 private:
  std::mutex mutex_;
  bool cancelled_ = false;
  std::optional<runtime::Handle> handle_;
};

// The conversation as `model` is to read it: JSON that tools returned in the white space that it
// was trained on. E0740.
Result<std::vector<chat::Message>> messages_for(const LoadedModel& model,
                                                const json::Array& messages);
// E0731 for a text of which a quick look says that its tokens cannot fit: those who are answered
// meanwhile need not wait until it is tokenised. `model` has a tokenizer.
Status check_could_fit(const LoadedModel& model, std::string_view text);
// The request's parameters, else the checkpoint's own, else greedy. E0730 out of range.
Result<runtime::Sampling> sampling_of(const ChatRequest& request,
                                      const model::GenerationDefaults& defaults);
// Who is served first, whose prefixes are shared, and until when. E0712.
Status set_service(runtime::Request& work, const ChatRequest& request, int64_t called_ns);
// The answer of `model` to a call that was cancelled before anything was done for it.
ChatResult never_begun(const std::string& model);
// Of a generation that was not ended by its own last token: "length", "cancelled".
std::string finish_reason(runtime::Finish finish);
// As ChatResult::stop_reason.
std::string stop_reason(runtime::Finish finish);
// Beside what the turn has counted, what the engine has.
TokenCounts with_engine_counts(TokenCounts counts, const runtime::Usage& usage);
// As evidence (Evidence::hurries), and back; a record that was not written here says nothing.
json::Array hurries_record(const std::vector<runtime::Hurry>& hurries);
std::vector<runtime::Hurry> hurries_from(const json::Array& record);
std::vector<std::string> hurries_in_words(const json::Array& record);
// As evidence (Evidence::sampler).
json::Object sampler_record(const runtime::Sampling& sampling, const ChatRequest& request);

}  // namespace weft::backend
