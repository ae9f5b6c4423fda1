#include "cli/stand_in.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <utility>

#include "cluster/supervisor/guests.hpp"
#include "cluster/supervisor/machine_stream.hpp"
#include "support/fake_host.hpp"
#include "transport/credential_files.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::cli_test {

/// What a supervisor has where it listens for other machines.
struct StandIn::Port {
  Port(boost::asio::io_context& context, const Elsewhere& elsewhere,
       std::function<void(const cluster::ControlRequest&, cluster::ControlReply)> on_request)
      : credentials({.secret_file = elsewhere.secret_file}),
        medium(context, [this] { return credentials.get(); }),
        guests({.host = host,
                .version = EPIC_VERSION,
                .manifest = elsewhere.manifest,
                .on_request = std::move(on_request),
                .drop = [this](const cluster::LinkToMachine& link) { drop(link); }}) {
    using Link = cluster::StreamLink<protocol::FromMachine, protocol::ToMachine>;
    const auto listening = medium.listen("127.0.0.1:0", [this, &context](auto stream) {
      if (!stream) return;
      const auto link = std::make_shared<Link>(*std::move(stream), [&context](std::move_only_function<void()> task) {
        boost::asio::post(context, std::move(task));
      });
      links.push_back(link);
      const std::weak_ptr<Link> self = link;
      link->start({.on_message =
                       [this, self](const protocol::FromMachine& message) {
                         const auto sender = self.lock();
                         if (!guests.try_take(message, sender)) drop(*sender);
                       },
                   .on_closed = [this, self] { drop(*self.lock()); }});
    });
    REQUIRE(listening);
  }
  void drop(const cluster::LinkToMachine& link) {
    guests.on_closed(link);
    std::erase_if(links, [&](const auto& one) { return one.get() == &link; });
  }

  transport::CredentialFiles credentials;
  transport::TcpMedium medium;
  cluster::test::FakeHost host;
  cluster::Guests guests;
  std::vector<std::shared_ptr<cluster::LinkToMachine>> links;
};

StandIn::StandIn(const std::filesystem::path& project, std::map<std::string, Answer> answers)
    : answers_(std::move(answers)), work_(boost::asio::make_work_guard(context_)) {
  std::filesystem::create_directories(project / ".epic");
  auto server = cluster::ControlServer::listen(
      context_, project / ".epic" / "control.sock",
      [this](const cluster::ControlRequest& request, cluster::ControlReply reply) { answer(request, reply); });
  REQUIRE(server);
  server_ = std::move(*server);
  thread_ = std::thread([this] { context_.run(); });
}

StandIn::StandIn(const Elsewhere& elsewhere, std::map<std::string, Answer> answers)
    : answers_(std::move(answers)), work_(boost::asio::make_work_guard(context_)) {
  port_ = std::make_unique<Port>(
      context_, elsewhere,
      [this](const cluster::ControlRequest& request, const cluster::ControlReply& reply) { answer(request, reply); });
  address_ = port_->medium.listening_at();
  thread_ = std::thread([this] { context_.run(); });
}

StandIn::~StandIn() {
  boost::asio::post(context_, [this] {
    server_.reset();
    port_.reset();
    context_.stop();
  });
  thread_.join();
}

std::vector<std::string> StandIn::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void StandIn::answer(const cluster::ControlRequest& request, const cluster::ControlReply& reply) {
  {
    const std::lock_guard lock(mutex_);
    if (request.verb != "ping") requests_.push_back(request.verb + " " + request.body);  // every command sends it first
  }
  const auto known = answers_.find(request.verb);
  if (known == answers_.end()) return reply.fail(cluster::AnswerStatus::bad_request, "no such verb");
  const Answer& answer = known->second;
  if (answer.delay == answer.delay.zero()) return send(answer, reply);
  const auto timer = std::make_shared<boost::asio::steady_timer>(context_, answer.delay);
  timer->async_wait([timer, &answer, reply](const boost::system::error_code&) { send(answer, reply); });
}

void StandIn::send(const Answer& answer, const cluster::ControlReply& reply) {
  if (answer.status != cluster::AnswerStatus::ok) return reply.fail(answer.status, answer.message, answer.detail);
  if (answer.parts.size() == 1) return reply.finish(answer.parts.front());
  for (const auto& part : answer.parts) reply.part(part);
  reply.finish();
}

StandIn::Answer answer(std::string_view json) { return {.parts = {boost::json::parse(json)}, .message = {}}; }

StandIn::Answer stream(std::string_view json) { return {.parts = boost::json::parse(json).as_array(), .message = {}}; }

}  // namespace epic::cli_test
