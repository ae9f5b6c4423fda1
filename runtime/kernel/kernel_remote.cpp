// Calls between nodes: who owns the shard, frames out and in, replies, lost peers.

#include <fmt/format.h>

#include <stdexcept>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

namespace {

bool is_from_peer(const Record& record) { return record.site != nullptr && record.site->has_arrived(); }

}  // namespace

// ---- out ----

detail::CallSite& Kernel::site_of(Record& record) const {
  if (record.site == nullptr) record.site = new detail::CallSite(record);
  record.site->sequence = record.sequence;
  record.site->shard = shard_of(record.callee->text);
  return *record.site;
}

/// The entity is not in memory here: activate it, or let the call go to the shard's owner, or wait for one. As long as
/// the shard is not ours, what the maker of the call has observed must be durable first: the call is held at the gate,
/// as the change that it has seen may yet be refused.
void Kernel::leave(RecordRef record, const TypeEntry& type, const Record* maker) {
  RoutedCall call = record->site != nullptr ? RoutedCall(*record->site) : RoutedCall{};
  call.sequence = record->sequence;
  call.shard = shard_of(record->callee->text);
  record->state = Record::State::queued;
  if (maker != nullptr && !routing_.is_ours(call.shard) && !may_be_seen(*record))
    return release_when_durable(maker, HeldCall{std::move(record)});
  const bool is_urgent = routing_.is_closed(call.shard) && calls_.holds_up_a_move(*record);
  const Routing::Decision decision = routing_.decide(call, is_urgent);
  switch (decision.way) {
    case Routing::Way::here:
      return activate(std::move(record), type, call.shard);
    case Routing::Way::park:
      return routing_.park(site_of(*record));
    case Routing::Way::refuse:
      return refuse(*record);
    case Routing::Way::send:
      if (may_be_seen(*record)) return send(std::move(record), type, decision.owner);
      return routing_.park_until_commit(site_of(*record));  // it has waited here, for a shard that was ours
  }
}

bool Kernel::may_be_seen(const Record& record) const {
  return is_from_peer(record) || gate_.is_open(CommitNumber{record.observed});
}

/// A parked call has its turn.
void Kernel::route(RoutedCall& call) { calls_.route(RecordRef::share(static_cast<detail::CallSite&>(call).record)); }

/// Its caller's node finds the owner.
void Kernel::refuse(Record& record) {
  record.site->is_refused = true;
  fail(record, ErrorCode::unavailable, "this node does not own the entity's shard");
}

void Kernel::send(RecordRef record, const TypeEntry& type, const PeerAddress& to) {
  CallMessage call{.id = words_.id_of(*record),
                   .target = std::string(record->callee->text),
                   .method = types_.number_of(type, record->method->name),
                   .map_version = routing_.version(),
                   .patience_ns = record->deadline_ns - execution_.now_ns,
                   .chain = words_.chain_of(record->caller),
                   .arguments = {},
                   .extensions = words_.extensions_from(record->caller)};
  if (call.chain.size() > limits::kChainLengthMax)
    return fail(*record, ErrorCode::overloaded,
                fmt::format("{} was not sent: more than {} calls wait for it, each for the next",
                            words_.describe(*record), limits::kChainLengthMax));
  try {
    codec_.encode(record->method->arguments(), record->arguments(), call.arguments);
  } catch (const std::length_error& error) {
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not sent: {}", words_.describe(*record), error.what()));
  }
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return fail(*record, ErrorCode::bad_arguments,
                fmt::format("{} was not sent: its arguments have {} bytes, and {} is the most",
                            words_.describe(*record), call.arguments.size(), limits::kArgumentsBytesMax));
  detail::CallSite& site = site_of(*record);
  site.id = call.id;
  record->state = Record::State::sent;
  routing_.on_sent(site, to);
  syscalls_.send(to, std::move(call));
}

// ---- in ----

void Kernel::on_hello(const PeerAddress& from, const HelloMessage& hello) {
  const Scope scope(*this);
  peers_.insert_or_assign(from, types_.resolve(hello.methods));
}

void Kernel::on_message(const PeerAddress& from, Message message) {
  const Scope scope(*this);
  if (auto* call = std::get_if<CallMessage>(&message))
    receive(from, std::move(*call));
  else if (auto* reply = std::get_if<ReplyMessage>(&message))
    reply->sequence == 0 ? take_back(from) : receive(from, std::move(*reply));
  else if (const auto* hello = std::get_if<HelloMessage>(&message))
    on_hello(from, *hello);
  else if (from.is_client())
    return;  // the rest is between nodes
  else if (const auto* deadlock = std::get_if<DeadlockMessage>(&message))
    learn(*deadlock);
  else
    calls_.on_probe(std::get<ProbeMessage>(std::move(message)));
}

void Kernel::receive(const PeerAddress& from, CallMessage call) {
  const std::uint64_t sequence = call.id.sequence;
  const auto peer = peers_.find(from);
  if (peer == peers_.end() || call.method >= peer->second.methods.size())
    return reply_error(from, sequence, ErrorCode::no_such_method,
                       fmt::format("method number {} was never introduced", call.method));
  const PeerMethod& method = peer->second.methods[call.method];
  if (method.type == nullptr)
    return reply_error(from, sequence, ErrorCode::no_such_type,
                       fmt::format("node-{} has no class for '{}': its module is of another version",
                                   options_.self.node, method.name));
  if (method.method == nullptr)
    return reply_error(
        from, sequence, ErrorCode::no_such_method,
        fmt::format("node-{} has no method '{}': its module is of another version", options_.self.node, method.name));
  detail::NamePtr name = detail::parse_name(call.target);
  if (!name || types_.find(name->type()) != method.type)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("'{}' does not name an entity of the method's class", call.target));
  if (name->text != call.target)  // by the caller's hash it belongs elsewhere
    return reply_error(from, sequence, ErrorCode::no_such_type,
                       fmt::format("'{}' is placed and stored as '{}': the caller's class must say so, too, with "
                                   "named(\"{}\", formerly(\"{}\"))",
                                   call.target, name->text, method.type->info->type_name, name->type()));
  if (routing_.must_refuse(shard_of(name->text), call.map_version))
    return syscalls_.send(from, ReplyMessage{sequence, RefusedPart{routing_.version()}});
  if (from.is_client() && (is_draining_ || !blocked_.empty()))
    return reply_error(from, sequence, ErrorCode::unavailable, is_draining_ ? "this node is shutting down" : blocked_);
  if (!method.arguments)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}", method.name, method.arguments_error));

  RecordRef record(method.method->make_record());
  if (auto read =
          codec_.decode_sent(call.arguments, *method.arguments, method.method->arguments(), record->arguments());
      !read)
    return reply_error(from, sequence, ErrorCode::bad_arguments,
                       fmt::format("{}: {}: {}", method.name, read.error().path, read.error().what));
  record->callee = std::move(name);
  // Slightly less than the caller has: this node knows better what delays the call, and can still report it.
  record->patience_ns = std::max<std::int64_t>(
      call.patience_ns - std::min<std::int64_t>(call.patience_ns / 10, limits::kTimeoutLead.count()), 1);
  detail::CallSite& site = site_of(*record);
  site.from = from;
  site.id = call.id;
  site.sent_version = call.map_version;
  site.chain = std::move(call.chain);
  if (call.extensions) site.extensions = std::make_unique<CallExtensions>(std::move(*call.extensions));
  execution_.current = nullptr;
  if (!calls_.open(*record)) return reply(*record);
  calls_.route(std::move(record));
}

void Kernel::reply_error(const PeerAddress& to, std::uint64_t sequence, ErrorCode code, const std::string& message) {
  syscalls_.send(to, ReplyMessage{sequence, ErrorPart{code, {}, message}});
}

/// The outcome of an inbound call, held until what it has observed is durable.
void Kernel::reply(Record& record) {
  if (record.site->on_end) return release_when_durable(&record, HeldEnd{RecordRef::share(record)});
  if (record.site->is_refused) {
    syscalls_.send(record.site->from, ReplyMessage{record.site->id.sequence, RefusedPart{routing_.version()}});
    return;
  }
  release_when_durable(&record, HeldReply{record.site->from, make_reply(record), RecordRef::share(record)});
}

ReplyMessage Kernel::make_reply(Record& record) {
  ReplyMessage reply{.sequence = record.site->id.sequence, .outcome = ResultPart{}};
  if (record.failure) {
    reply.outcome = describe_failure(record.failure);
  } else if (const std::exception_ptr thrown = record.thrown()) {
    reply.outcome = describe_thrown(thrown);
  } else if (record.method->result != nullptr) {
    ResultPart result;
    try {
      codec_.encode(record.method->result(), record.result(), result.bytes);
    } catch (const std::length_error& error) {
      reply.outcome = ErrorPart{ErrorCode::call_failed, "epic::Error",
                                fmt::format("the result of {} cannot be sent: {}; the method has run",
                                            words_.describe(record), error.what())};
      return reply;
    }
    if (result.bytes.size() > limits::kArgumentsBytesMax)
      reply.outcome = ErrorPart{ErrorCode::call_failed, "epic::Error",
                                fmt::format("the result of {} has {} bytes, and {} is the most; the method has run",
                                            words_.describe(record), result.bytes.size(), limits::kArgumentsBytesMax)};
    else
      reply.outcome = std::move(result);
  }
  return reply;
}

void Kernel::receive(const PeerAddress& from, ReplyMessage reply) {
  RoutedCall* const sent = routing_.find_sent(from, reply.sequence);
  if (sent == nullptr) return;  // its caller has stopped waiting
  const RecordRef record = RecordRef::share(static_cast<detail::CallSite*>(sent)->record);
  if (std::holds_alternative<RefusedPart>(reply.outcome)) return on_refused(*record);
  if (auto* error = std::get_if<ErrorPart>(&reply.outcome)) {
    if (error->code == ErrorCode::timeout && error->exception_type.empty())
      error->message = words_.describe_timeout(*record, error->message);
    return calls_.fail(*record, make_exception(error->code, error->message, error->exception_type));
  }
  read_result(*record, std::get<ResultPart>(reply.outcome));
}

void Kernel::on_refused(Record& record) {
  record.state = Record::State::queued;
  routing_.on_refused(*record.site, execution_.now_ns);
}

/// The peer is leaving, and has not started what it has not answered: as if it had refused each call.
void Kernel::take_back(const PeerAddress& peer) {
  routing_.block(peer, execution_.now_ns);  // otherwise they would be sent there again
  for (const RecordRef& record : list_sent(peer)) {
    if (record->state != Record::State::sent) continue;
    if (is_draining_)  // no map will come that says where the shard goes
      fail(*record, ErrorCode::unavailable, "the node that it was sent to has stopped");
    else
      on_refused(*record);
  }
}

/// Calls that are unanswered at `peer`, in order.
std::vector<RecordRef> Kernel::list_sent(const PeerAddress& peer) const {
  std::vector<RecordRef> records;
  for (RoutedCall* call : routing_.list_sent(peer))
    records.push_back(RecordRef::share(static_cast<detail::CallSite*>(call)->record));
  return records;
}

void Kernel::read_result(Record& record, const ResultPart& result) {
  if (record.method->result != nullptr) {
    const PeerTable& peer = peers_[record.site->sent_to];
    const auto number = peer.numbers.find(record.method);
    const PeerMethod* theirs = number == peer.numbers.end() ? nullptr : &peer.methods[number->second];
    if (theirs == nullptr || !theirs->result)
      return fail(record, ErrorCode::internal,
                  fmt::format("{} was answered by a node that has not introduced it", words_.describe(record)));
    if (auto read = codec_.decode_sent(result.bytes, *theirs->result, record.method->result(), record.emplace_result());
        !read)
      return fail(record, ErrorCode::bad_arguments,
                  fmt::format("the result of {} cannot be read: {}: {}", words_.describe(record), read.error().path,
                              read.error().what));
  }
  calls_.receive_result(record);
}

void Kernel::on_peer_lost(const PeerAddress& peer) {
  const Scope scope(*this);
  routing_.block(peer, execution_.now_ns);
  for (const RecordRef& record : list_sent(peer))
    fail(*record, ErrorCode::node_lost,
         fmt::format("node-{} was lost while {} was under way there; it may have run", peer.node,
                     words_.describe(*record)));
  peers_.erase(peer);
}

}  // namespace epic::kernel
