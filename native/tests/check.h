// The native test program's few tools: register a test, compare with a golden tensor, print a line
// each.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>

#include "weights/safetensors.h"

namespace latentray::test {

struct Registration {
  Registration(const char* name, std::function<void()> body);
};

// ../shared/golden, or the folder that LATENTRAY_GOLDEN names. Tests skip when it is absent.
std::string golden(const std::string& relative);

void expect(bool condition, const std::string& what);

// ‖actual − expected‖ / ‖expected‖ ≤ tolerance, and the same shape.
void expect_close(const at::Tensor& actual, const at::Tensor& expected, double tolerance,
                  const std::string& what);

// `body` throws Error with this code.
void expect_error(const std::string& code, const std::function<void()>& body);

std::string read_text(const std::string& path);

}  // namespace latentray::test

// TEST("a sentence") { … }
#define TEST(name) LATENTRAY_TEST(name, __COUNTER__)
#define LATENTRAY_TEST(name, number) LATENTRAY_TEST_AT(name, number)
#define LATENTRAY_TEST_AT(name, number)                                                   \
  static void test_##number();                                                            \
  static const ::latentray::test::Registration registered_##number(name, &test_##number); \
  static void test_##number()
