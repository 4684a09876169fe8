// Runs every registered test, or those whose name contains the first argument.

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/build_info.h"
#include "core/error.h"
#include "tests/check.h"

namespace latentray::test {

namespace {

struct Test {
  const char* name;
  std::function<void()> body;
};

struct Skipped {};

std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

}  // namespace

Registration::Registration(const char* name, std::function<void()> body) {
  tests().push_back({name, std::move(body)});
}

std::string golden(const std::string& relative) {
  const char* named = std::getenv("LATENTRAY_GOLDEN");
  const std::filesystem::path root = named ? named : "../shared/golden";
  if (!std::filesystem::is_directory(root)) throw Skipped();
  return (root / relative).string();
}

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                  const std::string& what) {
  expect(actual.sizes() == expected.sizes(),
         c10::str(what, ": expected shape ", expected.sizes(), ", found ", actual.sizes()));
  const auto reference = expected.to(at::kDouble);
  const double norm = reference.norm().item<double>();
  const double error = (actual.to(at::kDouble) - reference).norm().item<double>() / norm;
  expect(error <= tolerance, c10::str(what, ": relative error ", error, " > ", tolerance));
}

void expect_error(const std::string& code, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    expect(error.code() == code,
           "expected " + code + ", caught " + error.code() + ": " + error.what());
    return;
  }
  throw std::runtime_error("expected " + code + ", nothing was thrown");
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  expect(file.good(), path + ": cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace latentray::test

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a crash shows how far the tests came
  latentray::initialize_libtorch();
  const at::NoGradGuard no_grad;
  const std::string filter = argc > 1 ? argv[1] : "";
  int passed = 0;
  int failed = 0;
  for (const auto& test : latentray::test::tests()) {
    if (std::string(test.name).find(filter) == std::string::npos) continue;
    try {
      test.body();
      ++passed;
      std::printf("ok - %s\n", test.name);
    } catch (const latentray::test::Skipped&) {
      std::printf("ok - %s # SKIP the reference cases are not here\n", test.name);
    } catch (const c10::Error& error) {
      ++failed;
      std::printf("not ok - %s\n  %s\n", test.name, error.what_without_backtrace());
    } catch (const std::exception& error) {
      ++failed;
      std::printf("not ok - %s\n  %s\n", test.name, error.what());
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
