#include "wire/supervision.hpp"

#include "wire/capnp_frame.hpp"
#include "wire/capnp_shard_map.hpp"
#include "wire/supervision.capnp.h"

namespace epic::wire {

namespace {

using std::chrono::nanoseconds;

// ---- writing

void write(schema::FabricOptions::Builder out, const FabricOptions& options) {
  out.setHeartbeatNs(options.heartbeat.count());
  out.setIdleAgeNs(options.idle_age.count());
  out.setCallDeadlineNs(options.call_deadline.count());
  out.setTurnReportNs(options.turn_report.count());
  out.setMemoryBudgetBytes(options.memory_budget_bytes);
  out.setLogLevel(to_text(options.log_level));
}

void write(schema::ToNode::Builder out, const Configure& configure) {
  auto to = out.initConfigure();
  to.setNode(configure.node.value);
  to.setIncarnation(configure.incarnation.value);
  to.setFabricId(to_text(configure.fabric_id));
  to.setProjectDirectory(to_text(configure.project_directory));
  to.setModulePath(to_text(configure.module_path));
  to.setStoreKind(to_text(configure.store_kind));
  to.setStorePath(to_text(configure.store_path));
  to.setShardCount(configure.shard_count);
  to.setSocketPath(to_text(configure.socket_path));
  write(to.initOptions(), configure.options);
}

void write(schema::ToNode::Builder out, const kernel::ShardMap& map) { write_shard_map(out.initShardMap(), map); }

void write(schema::ToNode::Builder out, const Release& release) {
  auto to = out.initRelease();
  auto shards = to.initShards(static_cast<unsigned>(release.shards.size()));
  for (unsigned i = 0; i < shards.size(); ++i) shards.set(i, release.shards[i].value);
  to.setMapVersion(release.map_version.value);
}

void write(schema::ToNode::Builder out, const RunSetup&) { out.setRunSetup(); }

void write(schema::ToNode::Builder out, const Request& request) {
  auto to = out.initRequest();
  to.setId(request.id);
  to.setVerb(to_text(request.verb));
  to.setBody(to_text(request.body));
}

void write(schema::ToNode::Builder out, const Leave&) { out.setLeave(); }
void write(schema::ToNode::Builder out, const GoOn& go_on) {
  auto to = out.initGoOn();
  to.setId(go_on.id);
  to.setIsWanted(go_on.is_wanted);
}

void write(schema::ToNode::Builder out, const Stop& stop) { out.setStopGraceNs(stop.grace.count()); }

void write(schema::FromNode::Builder out, const Ready& ready) {
  auto to = out.initReady();
  to.setPid(ready.pid);
  to.setVersion(to_text(ready.version));
  to.setAbiTag(to_text(ready.abi_tag));
  auto types = to.initRenamedTypes(static_cast<unsigned>(ready.renamed_types.size()));
  for (unsigned i = 0; i < types.size(); ++i) {
    types[i].setName(to_text(ready.renamed_types[i].name));
    types[i].setStoredName(to_text(ready.renamed_types[i].stored_name));
  }
}

void write(schema::FromNode::Builder out, const StartFailed& failed) {
  auto to = out.initStartFailed();
  to.setMessage(to_text(failed.message));
  to.setHint(to_text(failed.hint));
}

void write(schema::FromNode::Builder out, const Heartbeat& heartbeat) {
  auto to = out.initHeartbeat();
  to.setEntities(heartbeat.counters.entities);
  to.setCallsInFlight(heartbeat.counters.calls);
  to.setResidentBytes(heartbeat.counters.resident_bytes);
  to.setTurnInProgressNs(heartbeat.turn_in_progress.count());
  to.setStoreBlocked(to_text(heartbeat.store_blocked));
  to.setStoreBlockedNs(heartbeat.store_blocked_for.count());
  to.setCommits(heartbeat.counters.commits);
  to.setRows(heartbeat.counters.rows);
  to.setEntityBytes(heartbeat.counters.entity_bytes);
}

void write(schema::FromNode::Builder out, const Released& released) {
  auto to = out.initReleased();
  to.setShard(released.shard.value);
  to.setMapVersion(released.map_version.value);
}

void write(schema::FromNode::Builder out, const Taken& taken) {
  auto to = out.initTaken();
  auto shards = to.initShards(static_cast<unsigned>(taken.shards.size()));
  for (unsigned i = 0; i < shards.size(); ++i) {
    shards[i].setShard(taken.shards[i].shard.value);
    shards[i].setEpoch(taken.shards[i].epoch.value);
  }
  to.setMapVersion(taken.map_version.value);
}

void write(schema::FromNode::Builder out, const SetupDone& done) { out.setSetupError(to_text(done.error)); }

void write(schema::FromNode::Builder out, const Answer& answer) {
  auto to = out.initAnswer();
  to.setId(answer.id);
  to.setStatus(static_cast<std::uint8_t>(answer.status));
  to.setBody(to_text(answer.body));
  to.setLast(answer.last);
  to.setWantsRoom(answer.wants_room);
}

void write(schema::FromNode::Builder out, const Drained& drained) { out.setDrained(drained.is_drained); }

// ---- reading

FabricOptions read(schema::FabricOptions::Reader from) {
  return {.heartbeat = nanoseconds(from.getHeartbeatNs()),
          .idle_age = nanoseconds(from.getIdleAgeNs()),
          .call_deadline = nanoseconds(from.getCallDeadlineNs()),
          .turn_report = nanoseconds(from.getTurnReportNs()),
          .memory_budget_bytes = from.getMemoryBudgetBytes(),
          .log_level = to_string(from.getLogLevel())};
}

Configure read(schema::Configure::Reader from) {
  return {.node = kernel::NodeId{from.getNode()},
          .incarnation = kernel::Incarnation{from.getIncarnation()},
          .fabric_id = to_string(from.getFabricId()),
          .project_directory = to_string(from.getProjectDirectory()),
          .module_path = to_string(from.getModulePath()),
          .store_kind = to_string(from.getStoreKind()),
          .store_path = to_string(from.getStorePath()),
          .shard_count = from.getShardCount(),
          .socket_path = to_string(from.getSocketPath()),
          .options = read(from.getOptions())};
}

Release read(schema::Release::Reader from) {
  Release release{.shards = {}, .map_version = kernel::MapVersion{from.getMapVersion()}};
  for (const auto shard : from.getShards()) release.shards.push_back(kernel::ShardId{shard});
  return release;
}

Taken read(schema::Taken::Reader from) {
  Taken taken{.shards = {}, .map_version = kernel::MapVersion{from.getMapVersion()}};
  for (const auto shard : from.getShards())
    taken.shards.push_back({kernel::ShardId{shard.getShard()}, kernel::Epoch{shard.getEpoch()}});
  return taken;
}

std::expected<FromNode, WireError> read(schema::Answer::Reader from) {
  if (from.getStatus() > static_cast<std::uint8_t>(AnswerStatus::not_owner))
    return std::unexpected(WireError{"an answer with a status that this version does not know"});
  return Answer{.id = from.getId(),
                .status = static_cast<AnswerStatus>(from.getStatus()),
                .body = to_string(from.getBody()),
                .last = from.getLast(),
                .wants_room = from.getWantsRoom()};
}

std::expected<ToNode, WireError> read(schema::ToNode::Reader from) {
  using Which = schema::ToNode::Which;
  switch (from.which()) {
    case Which::CONFIGURE:
      return read(from.getConfigure());
    case Which::SHARD_MAP:
      return read_shard_map(from.getShardMap());
    case Which::RELEASE:
      return read(from.getRelease());
    case Which::RUN_SETUP:
      return RunSetup{};
    case Which::REQUEST: {
      const auto request = from.getRequest();
      return Request{request.getId(), to_string(request.getVerb()), to_string(request.getBody())};
    }
    case Which::GO_ON:
      return GoOn{from.getGoOn().getId(), from.getGoOn().getIsWanted()};
    case Which::LEAVE:
      return Leave{};
    case Which::STOP_GRACE_NS:
      return Stop{nanoseconds(from.getStopGraceNs())};
  }
  return std::unexpected(WireError{"a message from the supervisor that this version does not know"});
}

std::expected<FromNode, WireError> read(schema::FromNode::Reader from) {
  using Which = schema::FromNode::Which;
  switch (from.which()) {
    case Which::READY: {
      const auto from_ready = from.getReady();
      Ready ready{from_ready.getPid(), to_string(from_ready.getVersion()), to_string(from_ready.getAbiTag()), {}};
      for (const auto type : from_ready.getRenamedTypes())
        ready.renamed_types.push_back({to_string(type.getName()), to_string(type.getStoredName())});
      return ready;
    }
    case Which::START_FAILED: {
      const auto failed = from.getStartFailed();
      return StartFailed{to_string(failed.getMessage()), to_string(failed.getHint())};
    }
    case Which::HEARTBEAT: {
      const auto beat = from.getHeartbeat();
      return Heartbeat{.counters = {.entities = beat.getEntities(),
                                    .calls = beat.getCallsInFlight(),
                                    .resident_bytes = beat.getResidentBytes(),
                                    .entity_bytes = beat.getEntityBytes(),
                                    .commits = beat.getCommits(),
                                    .rows = beat.getRows()},
                       .turn_in_progress = nanoseconds(beat.getTurnInProgressNs()),
                       .store_blocked = to_string(beat.getStoreBlocked()),
                       .store_blocked_for = nanoseconds(beat.getStoreBlockedNs())};
    }
    case Which::RELEASED: {
      const auto released = from.getReleased();
      return Released{kernel::ShardId{released.getShard()}, kernel::MapVersion{released.getMapVersion()}};
    }
    case Which::TAKEN:
      return read(from.getTaken());
    case Which::SETUP_ERROR:
      return SetupDone{to_string(from.getSetupError())};
    case Which::ANSWER:
      return read(from.getAnswer());
    case Which::DRAINED:
      return Drained{from.getDrained()};
  }
  return std::unexpected(WireError{"a message from a node that this version does not know"});
}

template <class Root, class Message>
void append(const Message& message, std::vector<std::byte>& out) {
  capnp::MallocMessageBuilder builder;
  std::visit([&](const auto& one) { write(builder.initRoot<Root>(), one); }, message);
  append_message_frame(builder, out);
}

}  // namespace

void append_frame(const ToNode& message, std::vector<std::byte>& out) { append<schema::ToNode>(message, out); }
void append_frame(const FromNode& message, std::vector<std::byte>& out) { append<schema::FromNode>(message, out); }

std::expected<ToNode, WireError> decode_to_node(std::span<const std::byte> payload) {
  return decode_frame<schema::ToNode>(payload, [](schema::ToNode::Reader from) { return read(from); });
}

std::expected<FromNode, WireError> decode_from_node(std::span<const std::byte> payload) {
  return decode_frame<schema::FromNode>(payload, [](schema::FromNode::Reader from) { return read(from); });
}

}  // namespace epic::wire
