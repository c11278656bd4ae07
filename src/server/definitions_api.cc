// SPDX-License-Identifier: Apache-2.0
#include "server/definitions_api.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "server/access.h"
#include "server/fields.h"
#include "server/openai_error.h"
#include "server/problem.h"
#include "server/runs.h"
#include "worker/step_type.h"
#include "worker/stored_definitions.h"
#include "workflow/loader.h"

namespace weft::server {
namespace {

using worker::StoredDefinition;

json::Object definition_object(const workflow::Workflow& workflow) {
  return {{"id", workflow.id}, {"hash", workflow.hash}, {"title", workflow.title},
          {"input", workflow.input_schema}};
}

json::Object version_object(const StoredDefinition& stored) {
  json::Object out{{"version", stored.version},
                   {"hash", stored.hash},
                   {"created_at", iso8601(stored.created_us)},
                   {"created_by", stored.created_by}};
  if (stored.hash.empty()) out["deleted"] = true;
  return out;
}

// With its document, however it came here.
json::Object full_object(const workflow::Workflow& workflow, std::string_view origin) {
  json::Object out = definition_object(workflow);
  out["origin"] = origin;
  if (auto document = json::parse(workflow.canonical); document.ok()) {
    out["document"] = std::move(*document);
  }
  return out;
}

void add_etag(net::HttpResponse& response, const std::string& hash) {
  response.headers.push_back({"ETag", "\"" + hash + "\""});
}

Error no_definition(const std::string& id) {
  return make_error("E0753", fmt::format("there is no definition {}", quoted(id)));
}

// The hash that If-Match wants; "" where If-None-Match: * wants that there be none.
Result<std::optional<std::string>> expected_hash(const net::HttpRequest& request) {
  if (const std::string* none = request.header("If-None-Match")) {
    if (*none == "*") return std::optional<std::string>("");
    return wrong_field("If-None-Match", "*", *none);
  }
  const std::string* match = request.header("If-Match");
  if (match == nullptr || *match == "*") return std::optional<std::string>();
  if (match->size() > 2 && match->front() == '"' && match->back() == '"') {
    return std::optional(match->substr(1, match->size() - 2));
  }
  return wrong_field("If-Match", "an ETag in quotes", *match);
}

// What a file holds is all that there is of it.
Error no_versions(const std::string& id) {
  return make_error("E0753", fmt::format("{} comes from a file of this server, which has no "
                                         "versions", quoted(id)), "leave version out");
}

Result<int64_t> wanted_version(const net::HttpRequest& request) {
  const std::string* text = net::find_parameter(request.query, "version");
  if (text == nullptr) return int64_t{0};
  return whole_number("version", *text, 1, INT64_MAX);
}

bool wants_yaml(const net::HttpRequest& request) {
  const std::string* accept = request.header("Accept");
  return accept != nullptr && accept->find("yaml") != std::string::npos;
}

Status may_read(const net::HttpRequest& request, std::string_view id) {
  return security::require(caller_of(request), "definitions:read", id);
}

net::HttpResponse problems_of(const workflow::Loaded& loaded) {
  json::Object more{{"errors", workflow::to_json(loaded.errors)}};
  if (loaded.errors_left_out > 0) more["errors_left_out"] = loaded.errors_left_out;
  return problem(workflow::to_error(loaded.errors, "document"), std::move(more));
}

// A definition on its way into the store; parsed on the pool.
struct Put {
  ServerContext& context;
  ExchangePtr exchange;
  worker::DefinitionChange change;
  workflow::Loaded loaded = {};
};

Status check_document(const Put& put) {
  const workflow::Workflow& workflow = *put.loaded.workflow;
  if (workflow.id != put.change.id) {
    return wrong_field("id", fmt::format("{} as in the path", quoted(put.change.id)),
                       quoted(workflow.id));
  }
  return worker::check_step_types(workflow);
}

void store_definition(const std::shared_ptr<Put>& put) {
  const ExchangePtr& exchange = put->exchange;
  if (put->loaded.workflow == nullptr) return exchange->respond(problems_of(put->loaded));
  if (const Status good = check_document(*put); !good.ok()) {
    return exchange->respond(problem(good.error()));
  }
  put->change.workflow = put->loaded.workflow;
  put->context.runs->read<StoredDefinition>(
      [put](store::Db& db) { return worker::change_definition(db, put->change); },
      [put](Result<StoredDefinition> stored) {
        if (!stored.ok()) return put->exchange->respond(problem(stored.error()));
        json::Object out = definition_object(*put->change.workflow);
        for (auto& member : version_object(*stored)) out[member.key()] = member.value();
        net::HttpResponse response = json_response(out, stored->version == 1 ? 201 : 200);
        add_etag(response, stored->hash);
        response.headers.push_back({"Location", "/definitions/" + stored->id});
        put->exchange->respond(std::move(response));
      });
}

// What is wrong before the store is asked; else the change as far as the head of the request says.
Result<worker::DefinitionChange> change_of(ServerContext& context,
                                           const net::HttpRequest& request) {
  const security::Caller& caller = caller_of(request);
  worker::DefinitionChange change;
  change.tenant = caller.tenant;
  change.id = request.parameter("id");
  change.by = caller.name;
  TRY(security::require(caller, "definitions:write", change.id));
  if (context.runs->workflows().contains(change.id)) {
    return make_error("E0757", fmt::format("{} comes from a file of this server",
                                           quoted(change.id)),
                      "change the file and start the server again, or use another id");
  }
  change.expected = TRY(expected_hash(request));
  return change;
}

}  // namespace

void list_definitions(ServerContext& context, const ExchangePtr& exchange) {
  const std::string tenant = caller_of(exchange->request()).tenant;
  using List = std::vector<StoredDefinition>;
  context.runs->read<List>(
      [tenant](store::Db& db) { return worker::list_definitions(db, tenant); },
      [&context, exchange](Result<List> stored) {
        if (!stored.ok()) return exchange->respond(problem(stored.error()));
        json::Array items;
        const auto& offered = context.runs->workflows();
        const security::Caller& caller = caller_of(exchange->request());
        for (const auto& [id, workflow] : offered) {
          if (!security::may(caller, "definitions:read", id)) continue;
          items.push_back(definition_object(*workflow));
          items.back().as_object()["origin"] = "file";
        }
        for (const StoredDefinition& one : *stored) {
          if (offered.contains(one.id)) continue;
          if (!security::may(caller, "definitions:read", one.id)) continue;
          json::Object item = version_object(one);
          item["id"] = one.id;
          item["origin"] = "stored";
          items.push_back(std::move(item));
        }
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        exchange->respond(json_response(out));
      });
}

void show_definition(ServerContext& context, const ExchangePtr& exchange) {
  const net::HttpRequest& request = exchange->request();
  const std::string id = request.parameter("id");
  if (const Status allowed = may_read(request, id); !allowed.ok()) {
    return exchange->respond(problem(allowed.error()));
  }
  const auto version = wanted_version(request);
  if (!version.ok()) return exchange->respond(problem(version.error()));
  const auto offered = context.runs->workflows().find(id);
  if (offered != context.runs->workflows().end()) {
    if (*version != 0) return exchange->respond(problem(no_versions(id)));
    net::HttpResponse out = json_response(full_object(*offered->second, "file"));
    add_etag(out, offered->second->hash);
    return exchange->respond(std::move(out));
  }
  using Found = std::optional<StoredDefinition>;
  context.runs->read<Found>(
      [tenant = caller_of(request).tenant, id, version = *version](store::Db& db) {
        return worker::find_definition(db, tenant, id, version);
      },
      [exchange, id, yaml = wants_yaml(request)](Result<Found> found) {
        if (!found.ok()) return exchange->respond(problem(found.error()));
        if (!*found) return exchange->respond(problem(no_definition(id)));
        const StoredDefinition& stored = **found;
        net::HttpResponse out{200, {{"Content-Type", "application/yaml"}}, stored.source};
        if (!yaml) {
          const auto workflow = workflow::load_or_error(stored.document, id, {.stored = true});
          if (!workflow.ok()) return exchange->respond(problem(workflow.error()));
          json::Object body = full_object(**workflow, "stored");
          for (auto& member : version_object(stored)) body[member.key()] = member.value();
          body["source"] = stored.source;
          out = json_response(body);
        }
        add_etag(out, stored.hash);
        exchange->respond(std::move(out));
      });
}

void put_definition(ServerContext& context, const ExchangePtr& exchange) {
  auto change = change_of(context, exchange->request());
  if (!change.ok()) return exchange->respond(problem(change.error()));
  change->source = std::move(exchange->request().body);
  auto put = std::make_shared<Put>(Put{context, exchange, std::move(*change)});
  context.pool.submit([put] {
    put->loaded = workflow::load(put->change.source);
    put->context.loop.post([put] { store_definition(put); });
  });
}

void delete_definition(ServerContext& context, const ExchangePtr& exchange) {
  auto change = change_of(context, exchange->request());
  if (!change.ok()) return exchange->respond(problem(change.error()));
  context.runs->read<StoredDefinition>(
      [change = std::move(*change)](store::Db& db) {
        return worker::change_definition(db, change);
      },
      [exchange](Result<StoredDefinition> deleted) {
        if (!deleted.ok()) return exchange->respond(problem(deleted.error()));
        json::Object out = version_object(*deleted);
        out["id"] = deleted->id;
        exchange->respond(json_response(out));
      });
}

void list_definition_versions(ServerContext& context, const ExchangePtr& exchange) {
  const std::string id = exchange->request().parameter("id");
  if (const Status allowed = may_read(exchange->request(), id); !allowed.ok()) {
    return exchange->respond(problem(allowed.error()));
  }
  const std::string tenant = caller_of(exchange->request()).tenant;
  using List = std::vector<StoredDefinition>;
  context.runs->read<List>(
      [tenant, id](store::Db& db) { return worker::definition_versions(db, tenant, id); },
      [exchange, id, file = context.runs->workflows().contains(id)](Result<List> versions) {
        if (!versions.ok()) return exchange->respond(problem(versions.error()));
        if (versions->empty()) {
          return exchange->respond(problem(file ? no_versions(id) : no_definition(id)));
        }
        json::Array items;
        for (const StoredDefinition& one : *versions) items.push_back(version_object(one));
        json::Object out{{"items", std::move(items)}};
        out["next_cursor"] = nullptr;
        exchange->respond(json_response(out));
      });
}

}  // namespace weft::server
