// SPDX-License-Identifier: Apache-2.0
#include "server/openapi_doc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "server/routes.h"

namespace weft::server {
namespace {

// Every $ref below a value.
void collect(const json::Value& value, std::set<std::string>& out) {
  if (const json::Object* object = value.if_object()) {
    for (const auto& member : *object) {
      if (member.key() == "$ref") out.emplace(member.value().as_string());
      collect(member.value(), out);
    }
  } else if (const json::Array* array = value.if_array()) {
    for (const json::Value& item : *array) collect(item, out);
  }
}

TEST(OpenapiDocument, HasEveryRouteAndNoOther) {
  const auto routes = route_facts();
  const json::Object document = openapi_document(routes);
  const json::Object& paths = document.at("paths").as_object();
  size_t operations = 0;
  std::set<std::string> ids;
  for (const auto& path : paths) {
    for (const auto& method : path.value().as_object()) {
      ++operations;
      const json::Object& operation = method.value().as_object();
      ids.emplace(operation.at("operationId").as_string());
      EXPECT_FALSE(operation.at("responses").as_object().empty());
    }
  }
  EXPECT_EQ(operations, routes.size());
  EXPECT_EQ(ids.size(), routes.size());
  EXPECT_THAT(openapi_strays(routes), testing::IsEmpty());
}

TEST(OpenapiDocument, PathParametersAreThoseOfThePattern) {
  const json::Object document = openapi_document(route_facts());
  const json::Object& fork =
      document.at("paths").at("/workflows/{task_id}/approvals/{step}").at("post").as_object();
  std::vector<std::string> names;
  for (const json::Value& one : fork.at("parameters").as_array()) {
    EXPECT_TRUE(one.at("required").as_bool());
    names.emplace_back(one.at("name").as_string());
  }
  EXPECT_THAT(names, testing::ElementsAre("task_id", "step"));
  EXPECT_EQ(fork.at("x-permission").as_string(), "approvals:decide");
}

TEST(OpenapiDocument, EveryReferenceLeadsSomewhere) {
  const json::Object document = openapi_document(route_facts());
  std::set<std::string> references;
  collect(json::Value(document), references);
  EXPECT_GT(references.size(), 10U);
  const json::Object& schemas = document.at("components").at("schemas").as_object();
  for (const std::string& reference : references) {
    const std::string_view prefix = "#/components/schemas/";
    ASSERT_TRUE(reference.starts_with(prefix)) << reference;
    EXPECT_TRUE(schemas.contains(reference.substr(prefix.size()))) << reference;
  }
}

}  // namespace
}  // namespace weft::server
