// The output of `epic events`, `epic calls`, and of the commands that report blocked stores.

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "cli/stand_in.hpp"
#include "cli/transcript.hpp"

using epic::cli_test::answer;
using epic::cli_test::kManifest;
using epic::cli_test::StandIn;
using epic::cli_test::stream;
using epic::cli_test::Transcript;

namespace {

const auto kTwoTypes = answer(R"({"types":[{"type":"Player","methods":[]},{"type":"Account","methods":[]}]})");

const auto kEvents = stream(R"([
  {"time":"2031-05-04T09:08:07.100Z","node":"node-1","entity":null,"what":"ready","why":null,"version":null,
   "took_us":17000},
  {"time":"2031-05-04T09:08:07.123Z","node":"node-1","entity":"Player/Bob","what":"activated",
   "why":"get_score, called by Match/7.play","version":6,"took_us":1510,"placement_us":0,"load_us":1210,"start_us":300},
  {"time":"2031-05-04T09:08:09.123Z","node":"node-1","entity":"Player/Bob","what":"saved","why":null,"version":18,
   "took_us":null,"bytes":2048,"commit":44,"saves":12,"durable":true},
  {"time":"2031-05-04T09:08:09.200Z","node":"node-1","entity":"Player/Bob","what":"saved","why":null,"version":19,
   "took_us":null,"bytes":54,"commit":45,"saves":1,"durable":false},
  {"time":"2031-05-04T09:18:09.123Z","node":"node-1","entity":"Player/Bob","what":"collected","why":"idle for 600 s",
   "version":18,"took_us":12345678}])");

const auto kCalls = answer(R"({"calls":[
  {"id":"1.5.7","parent":null,"depth":0,"node":"node-1","entity":"Match/7","method":"play","call":"Match/7.play",
   "state":"waiting for 1 call","caller":"client","age_ms":3250},
  {"id":"1.5.8","parent":"1.5.7","depth":1,"node":"node-2","entity":"Account/3","method":"pay","call":"Account/3.pay",
   "state":"waiting for the lock of Account/3, held by audit 2.6.1","caller":"client > Match/7.play","age_ms":3200}],
  "left_off":5,"silent":["node-3"]})");

}  // namespace

TEST_CASE("trail: events are a table, and objects when asked", "[cli]") {
  Transcript transcript("trail_events");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"events", kEvents}, {"types", kTwoTypes}});
  transcript.run({"events"});
  transcript.run({"events", "Player/Bob", "--tail", "2", "-o", "jsonl"});
  CHECK(fabric.requests().back() == R"(events {"entity":"Player/Bob","type":"","limit":2,"follow":false,"after":{}})");
  transcript.run({"events", "Player", "-f"});
  CHECK(fabric.requests().back() == R"(events {"entity":"","type":"Player","limit":1000,"follow":true,"after":{}})");
  CHECK(transcript.run({"events", "Plaier"}).exit_code == 3);
  const std::string table = transcript.run_on_terminal({"events", "--color", "never"});
  CHECK(table.find("2031-05-04T09:08:07.123Z  node-1  activated  Player/Bob  get_score, called by Match/7.play") !=
        std::string::npos);
  CHECK(table.find("1.5 ms (load 1.2, start 0.3)") != std::string::npos);
  CHECK(table.find("version 18, 2.0 KiB, commit 44 (12 saves)") != std::string::npos);
  CHECK(table.find("in memory, and loses them") != std::string::npos);
  const std::string lines = transcript.run_on_terminal({"events", "-f", "--color", "never"});
  CHECK(lines.find("node-1   collected     Player/Bob                idle for 600 s  12346 ms\n") != std::string::npos);
  transcript.check();
}

TEST_CASE("trail: with the fabric down the events are gone, and the logs are named", "[cli]") {
  Transcript transcript("trail_events_down");
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run({"events"}).exit_code == 3);
  CHECK(transcript.run({"calls"}).exit_code == 3);
  transcript.check();
}

TEST_CASE("trail: calls stand below their callers, and what is missing is said", "[cli]") {
  Transcript transcript("trail_calls");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(), {{"calls", kCalls}, {"types", kTwoTypes}});
  transcript.run({"calls"});
  transcript.run({"calls", "Account/3", "--older-than", "1s", "-o", "jsonl"});
  CHECK(fabric.requests().back() == R"(calls {"entity":"Account/3","type":"","older_than_ms":1000})");
  CHECK(transcript.run({"calls", "--older-than", "soon"}).exit_code == 2);
  const std::string table = transcript.run_on_terminal({"calls", "--color", "never"});
  CHECK(table.find("3.2 s  node-1  Match/7.play     waiting for 1 call") != std::string::npos);
  CHECK(table.find("3.2 s  node-2    Account/3.pay  waiting for the lock") != std::string::npos);
  transcript.check();
}

TEST_CASE("trail: inspect shows an entity's calls with who waits for them, over all nodes", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const auto entity = answer(
      R"({"entity":"Account/3","live":true,"node":"node-2","unsaved":false,"calls":[{"id":"1.5.8","node":"node-2",
          "entity":"Account/3","method":"pay","caller":"Match/7.play","state":"running","age_ms":3200}],"state":{}})");
  StandIn fabric(transcript.directory(), {{"inspect", entity}, {"calls", kCalls}, {"types", kTwoTypes}});
  const std::string page = transcript.run_on_terminal({"inspect", "Account/3", "--color", "never"});
  CHECK(page.find("calls\n  Match/7.play  waiting for 1 call  3.2 s  node-1\n"
                  "    Account/3.pay  waiting for the lock of Account/3, held by audit 2.6.1  3.2 s  node-2\n") !=
        std::string::npos);
  const auto printed = boost::json::parse(transcript.run_quietly({"inspect", "Account/3", "-o", "json"}).out);
  CHECK(printed.at("calls").as_array().size() == 2);
}

TEST_CASE("trail: ps and doctor name the nodes that cannot save, with the reason", "[cli]") {
  Transcript transcript("trail_blocked");
  transcript.write("epic.toml", kManifest);
  StandIn fabric(transcript.directory(),
                 {{"ping", answer(R"({"version":")" EPIC_VERSION R"(","pid":1})")}, {"ps", answer(R"({"nodes":[
                     {"node":"node-1","pid":101,"state":"ready","shards":64,"entities":16,"calls":1,"restarts":0,
                      "resident_bytes":14000000,"uptime_ms":61000,"last_exit":null,"store":"blocked",
                      "store_reason":"cannot commit a change in the store '/s': database or disk is full.",
                      "store_blocked_ms":12500}],"supervisor":{"pid":100,"uptime_ms":62000},"setup":"done"})")}});
  transcript.run({"ps"});
  transcript.check();
  const auto doctor = transcript.run_quietly({"doctor", "-o", "json"});
  CHECK(doctor.exit_code == 1);
  const auto findings = boost::json::parse(doctor.out).as_array();
  const auto blocked =
      std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "node-1"; });
  REQUIRE(blocked != findings.end());
  CHECK(blocked->at("state") == "broken");
  CHECK(blocked->at("found").as_string().find("12.5 s") != std::string::npos);
  CHECK(blocked->at("fix").as_string().find("goes on within a second") != std::string::npos);
}
