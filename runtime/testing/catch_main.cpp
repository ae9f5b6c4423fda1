// The main function of Catch2 programs, and the reporter by which `epic test` follows one: `--reporter epic --out
// FILE`.
//
// FILE gets one line per fact, flushed at once, so that what is known of a program that dies is known:
//
//     start <tab> offset in stdout <tab> name
//     text  <tab> a line about a failed check
//     end   <tab> passed | failed <tab> microseconds <tab> offset in stdout
//
// The offsets (if stdout is a file) delimit what the case itself has printed. A case that runs for longer than
// EPIC_TEST_TIMEOUT_S seconds ends the program by SIGALRM.

#define CATCH_CONFIG_MAIN
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

namespace {

class EpicReporter : public Catch::StreamingReporterBase<EpicReporter> {
 public:
  using StreamingReporterBase::StreamingReporterBase;

  static std::string getDescription() { return "Reports to 'epic test' as cases start and end"; }

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    StreamingReporterBase::testCaseStarting(info);
    stream << "start\t" << stdout_offset() << '\t' << info.name << std::endl;
    if (const char* seconds = std::getenv("EPIC_TEST_TIMEOUT_S"))
      ::alarm(static_cast<unsigned>(std::strtoul(seconds, nullptr, 10)));
    timer_.start();
  }

  void assertionStarting(const Catch::AssertionInfo&) override {}

  bool assertionEnded(const Catch::AssertionStats& stats) override {
    const Catch::AssertionResult& result = stats.assertionResult;
    if (result.isOk()) return true;
    std::ostringstream text;
    text << result.getSourceInfo().file << ':' << result.getSourceInfo().line << ": FAILED";
    for (std::size_t i = 1; i < m_sectionStack.size(); ++i) text << (i == 1 ? " in " : ", ") << m_sectionStack[i].name;
    if (result.hasExpression()) text << "\n  " << result.getExpressionInMacro();
    if (result.hasExpandedExpression()) text << "\nwith\n  " << result.getExpandedExpression();
    if (result.getResultType() == Catch::ResultWas::ThrewException) text << "\nan exception was thrown:";
    if (result.getResultType() == Catch::ResultWas::DidntThrowException) text << "\nno exception was thrown";
    for (const Catch::MessageInfo& message : stats.infoMessages) text << "\n  " << message.message;
    if (stats.infoMessages.empty() && result.hasMessage()) text << "\n  " << result.getMessage();
    std::istringstream lines(text.str());
    for (std::string line; std::getline(lines, line);) stream << "text\t" << line << '\n';
    stream.flush();
    return true;
  }

  void fatalErrorEncountered(Catch::StringRef) override {
    constexpr unsigned kSecondsToReport = 5;  // by a process that has lost its mind
    ::alarm(kSecondsToReport);
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    ::alarm(0);
    stream << "end\t" << (stats.totals.assertions.allOk() ? "passed" : "failed") << '\t'
           << timer_.getElapsedMicroseconds() << '\t' << stdout_offset() << std::endl;
    StreamingReporterBase::testCaseEnded(stats);
  }

 private:
  static long stdout_offset() {
    std::cout.flush();
    std::fflush(stdout);
    return static_cast<long>(::lseek(STDOUT_FILENO, 0, SEEK_CUR));
  }

  Catch::Timer timer_;
};

}  // namespace

CATCH_REGISTER_REPORTER("epic", EpicReporter)
