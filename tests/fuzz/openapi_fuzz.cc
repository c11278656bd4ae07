// SPDX-License-Identifier: Apache-2.0
// A document of an API: its operations become declarations of tools, or it says why not. What
// becomes one has a name, an object of arguments and an http step, whatever the document says.
// sources: src/worker/openapi*.cc src/net/url.cc src/schema/*.cc
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/url.h"
#include "schema/schema.h"
#include "worker/openapi.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft;
  const auto document = json::parse({reinterpret_cast<const char*>(data), size});
  if (!document.ok()) return 0;
  const auto tools = worker::tools_of_openapi(*document, {});
  if (!tools.ok()) {
    CHECK(tools.error().code == "E0629" && !tools.error().message.empty());
    return 0;
  }
  for (const std::string& note : tools->notes) CHECK(note.find('\n') == note.npos);
  for (const json::Value& tool : tools->tools) {
    const json::Object& object = tool.as_object();
    CHECK(!object.at("name").as_string().empty() && object.at("parameters").is_object());
    CHECK(object.at("step").as_object().at("type") == "http");
  }
  return 0;
}
