// SPDX-License-Identifier: Apache-2.0
//
// /mcp: the Model Context Protocol over HTTP ("streamable HTTP"). A POST carries one message; a
// call of a tool is answered by a stream of events, all else by one document. Events are numbered
// and kept for a while, so that a client whose connection broke asks for the rest
// (Last-Event-ID) and misses nothing. Sessions and what is kept for them are bounded (mcp_room.h).
//
// The protocol itself is mcp.h; who may ask at all is decided before (routes.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/context.h"
#include "server/mcp.h"
#include "server/mcp_room.h"

namespace weft::server {

class McpStream;

// All sessions of this server. On the loop.
class McpEndpoint {
 public:
  McpEndpoint(ServerContext& context, std::shared_ptr<const McpDocuments> documents);
  ~McpEndpoint();

  void post(const ExchangePtr& exchange);
  void get(const ExchangePtr& exchange);
  void remove(const ExchangePtr& exchange);
  // The server stops: streams that have no end of their own end now.
  void drain();

 private:
  struct Client {
    bool busy() const;  // somebody waits for an answer, or listens
    void forget_oldest();
    std::shared_ptr<McpSession> session;
    std::shared_ptr<size_t> kept_bytes = std::make_shared<size_t>(0);
    int64_t used_ns = 0;  // when last, as far as anybody has looked
    std::shared_ptr<int> waiting = std::make_shared<int>(0);  // calls answered by one document
    std::map<uint64_t, std::shared_ptr<McpStream>> streams;  // by number
    std::shared_ptr<McpStream> standing;                     // of GET, for what belongs to no call
  };
  using Clients = std::map<std::string, Client>;  // by the id of the session
  void take(const ExchangePtr& exchange, json::Value message);
  void begin_session(const ExchangePtr& exchange, json::Value message);
  Client* client_of(const ExchangePtr& exchange);
  std::shared_ptr<McpStream> open_stream(Client& client, const ExchangePtr& exchange);
  // Sends it, and keeps the sum of what is kept within its limits.
  void send(McpStream& stream, const json::Object& message);
  std::vector<McpSeat> seats() const;
  void end_session(Clients::iterator client);
  void forget_old();
  void look_later();  // for what nobody uses

  ServerContext& context_;
  const std::shared_ptr<const McpDocuments> documents_;
  Clients clients_;
  std::shared_ptr<size_t> kept_bytes_ = std::make_shared<size_t>(0);  // of all streams
  uint64_t newest_stream_ = 0;
  worker::Loop::TimerId look_ = 0;  // 0: there is no session to look for
};

// For the table of routes.
void mcp_post(ServerContext& context, const ExchangePtr& exchange);
void mcp_get(ServerContext& context, const ExchangePtr& exchange);
void mcp_delete(ServerContext& context, const ExchangePtr& exchange);

}  // namespace weft::server
