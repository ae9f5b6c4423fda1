#include "cli/stand_in.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

namespace epic::cli_test {

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

StandIn::~StandIn() {
  boost::asio::post(context_, [this] {
    server_.reset();
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
