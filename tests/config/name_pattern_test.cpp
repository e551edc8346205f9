#include "config/name_pattern.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace rcnn::config {
namespace {

TEST(NamePattern, AStarStandsForAnything) {
  const std::string name = "backbone.body.layer1.0.conv1.weight";
  for (const char* pattern :
       {"backbone.body.layer1.0.conv1.weight", "*", "backbone.*", "*.weight", "backbone*", "*layer1*",
        "backbone.*.conv1.*", "b**t", "backbone.body.layer1.0.conv1.weight*"}) {
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  }
  for (const char* pattern :
       {"", "backbone", "backbone.body.layer1.0.conv1.weigh", "*.bias", "body.*", ".*", "*layer2*",
        "backbone.*.conv1", "backbone.body.layer1.0.conv1.weight.*", "backbone?body*"}) {
    EXPECT_FALSE(matches(pattern, name)) << pattern;
  }
  EXPECT_TRUE(matches("a*a*a", "aaa"));
  EXPECT_FALSE(matches("a*a*a", "aa"));
  // In a time that does not double with each star.
  EXPECT_FALSE(matches("a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(100, 'a')));
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("*", ""));
}

TEST(NamePattern, OneOfManySuffices) {
  const std::vector<std::string> names{"rpn.head.conv.bias", "backbone.body.conv1.weight"};
  EXPECT_TRUE(matches_any("backbone.*", names));
  EXPECT_FALSE(matches_any("roi_heads.*", names));
  EXPECT_FALSE(matches_any("*", {}));
  const std::vector<std::string> patterns{"rpn.*", "*.bias"};
  EXPECT_TRUE(any_matches(patterns, "roi_heads.box_head.fc6.bias"));
  EXPECT_FALSE(any_matches(patterns, "roi_heads.box_head.fc6.weight"));
  EXPECT_FALSE(any_matches({}, ""));
}

TEST(NamePattern, TheNearestNameOrBeginningOfNamesIsSuggested) {
  const std::vector<std::string> names{"backbone.body.conv1.weight", "rpn.head.conv.weight",
                                       "rpn.head.conv.bias"};
  EXPECT_EQ(nearest_pattern("rpnn.*", names), "; did you mean rpn.*?");
  EXPECT_EQ(nearest_pattern("rpn.heads.*", names), "; did you mean rpn.head.*?");
  EXPECT_EQ(nearest_pattern("rpn.head.conv.wieght", names), "; did you mean rpn.head.conv.weight?");
  EXPECT_EQ(nearest_pattern("something.else", names), "");
}

}  // namespace
}  // namespace rcnn::config
