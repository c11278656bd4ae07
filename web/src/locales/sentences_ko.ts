// SPDX-License-Identifier: Apache-2.0
// What the server says about runs in fixed sentences, in Korean. The keys are the server's own
// patterns (src/workflow/explain.cc, machine*.cc, src/backend/routing.cc), to which a test holds
// them; {0}, {1}, … are their values in order.
export const sentencesKo: Record<string, string> = {
  "'{}' is {}.": "'{0}': {1}.",
  "'{}' is {}, {} after it started.": "'{0}': {1} (시작 후 {2}).",
  "It is item {} of {} of the loop '{}'.": "반복 '{2}'의 {1}개 항목 중 {0}번입니다.",
  "It waits for: {}.": "기다리는 것: {0}.",
  "It goes on {}.": "{0} 이어집니다.",
  "It waits for its next attempt, {}.": "다음 시도를 기다립니다: {0}.",
  "Its effect was cut off and nobody knows whether it happened: a person must say whether to retry it, to fail it, or what its result is.":
    "외부 효과가 중단되어 일어났는지 알 수 없습니다. 다시 할지, 실패로 할지, 결과가 무엇인지 사람이 정해야 합니다.",
  "It waits for a worker to take it.": "작업자가 맡기를 기다립니다.",
  "The failure began in '{}': {} {}": "'{0}'에서 시작된 실패: {1} {2}",
  "Failure: {} {}": "실패: {0} {1}",
  "Last failure: {} {}": "최근 실패: {0} {1}",
  "Hint: {}.": "도움말: {0}.",
  "on_error is continue: what follows sees it as skipped, with null.":
    "on_error가 continue입니다. 다음 단계에는 건너뛴 것으로 보이며 값은 null입니다.",
  "It depends on nothing and was ready at once.": "선행 단계가 없어 바로 준비되었습니다.",
  "Succeeded before it: {}.": "먼저 성공한 단계: {0}.",
  "Counting as skipped: {}.": "건너뛴 것으로 보는 단계: {0}.",
  "Failed: {}.": "실패한 단계: {0}.",
  "Cancelled: {}.": "취소된 단계: {0}.",
  "Not ended yet: {}.": "아직 끝나지 않은 단계: {0}.",
  "Its join {} waits for {} of {}.": "결합 {0}: {2}개 중 {1}개를 기다립니다.",
  "Its join {} said: run.": "결합 {0}: 실행.",
  "Its join {} said: fail, without an attempt.": "결합 {0}: 시도 없이 실패.",
  "Its join {} said: cancel, without an attempt.": "결합 {0}: 시도 없이 취소.",
  "Its condition is being evaluated.": "조건을 계산하고 있습니다.",
  "Its condition is false: {}": "조건이 거짓입니다: {0}",
  "Its condition is true: {}": "조건이 참입니다: {0}",
  "Of its {} items {} succeeded, {} have not ended; at most {} run at a time.":
    "{0}개 항목 중 {1}개 성공, {2}개 진행 중. 동시에 최대 {3}개.",
  "Attempt {}; {} of at most {} failed{}.": "시도 {0}회. 최대 {2}회 중 {1}회 실패{3}.",
  "Its clock stands still while it waits.": "기다리는 동안에는 시간이 흐르지 않습니다.",
  "It times out {}.": "시간 초과: {0}.",
  "The run is {}.": "실행: {0}.",
  "It failed in '{}': {} {}": "'{0}' 단계에서 실패: {1} {2}",
  "Under way: {}.": "진행 중: {0}.",
  "Its clock stands still: only people, signals or time are waited for.":
    "시간이 흐르지 않습니다. 사람, 신호, 시각만 기다립니다.",

  "what it depends on was cancelled": "선행 단계가 취소됨",
  "only waits for people, signals or time": "사람, 신호, 시각만 기다림",
  "item {} failed": "{0}번 항목 실패",
  "kept from run {}": "실행 {0}에서 유지",
  "its condition is false": "조건이 거짓",
  "its condition or list cannot be evaluated": "조건이나 목록을 계산할 수 없음",
  "fallback '{}'": "대체 단계 '{0}'",

  "as asked for": "단계가 요청한 모델",
  "the model of the device class {}": "장치 등급 {0}의 모델",
  "nobody has measured the complexity: first the general model":
    "복잡도를 잰 것이 없어 먼저 일반 모델",
  "complexity {} is at least {}": "복잡도 {0}, 기준 {1} 이상",
  "complexity {} is below {}": "복잡도 {0}, 기준 {1} 미만",
  "profile {}": "프로필 {0}",
  "class {}": "등급 {0}",
  "mode {} of {}": "{1}의 방식 {0}",
  "best of {} models for speed {}, accuracy {}, resource {}":
    "속도 {1}, 정확도 {2}, 자원 {3} 기준으로 {0}개 모델 중 가장 나은 것",
  "the ceiling per {} leaves no room for {} ({})": "{0}별 비용 한도 때문에 {1}을(를) 쓸 수 없음 ({2})",
  "adaptive: without thinking first; {} thinks if it is less than {} sure":
    "적응형: 먼저 추론 없이 답하고, 확신이 {1}보다 낮으면 {0}이(가) 추론합니다",
  "adaptive: without thinking; the ceiling per {} leaves no room for a second answer, so that this one stands however sure":
    "적응형: 추론 없이 답합니다. {0}별 비용 한도에 두 번째 답의 여유가 없어 확신과 상관없이 이 답을 씁니다",
  "the ceiling per {} leaves no room for a second answer": "{0}별 비용 한도에 두 번째 답의 여유가 없음",
  "{} tokens of thought fit into {} ms": "{1}ms 안에 추론 {0}토큰이 들어갑니다",
  "{} tokens of thought": "추론 {0}토큰",
};

/** Words that stand as values in these sentences. */
export const valuesKo: [RegExp, string][] = [
  [/\b(succeeded)\b/g, "성공"], [/\bfailed\b/g, "실패"], [/\bskipped\b/g, "건너뜀"],
  [/\bcancelled\b/g, "취소됨"], [/\btimed_out\b/g, "시간 초과"], [/\bwaiting\b/g, "대기 중"],
  [/\brunning\b/g, "실행 중"], [/\bpending\b/g, "시작 전"], [/\bready\b/g, "준비됨"],
  [/\bqueued\b/g, "대기열"], [/\bunknown\b/g, "알 수 없음"],
  [/^person\b/, "사람"], [/^signal\b/, "신호"], [/^time\b/, "시각"], [/^child_run\b/, "하위 실행"],
  [/^resource\b/, "자원"], [/ of role ('[^']*')/, " (역할 $1)"],
  [/, to whom it was passed on/, ", 넘겨받음"],
  [/; the answer is there and will be taken/, ". 답이 도착해 곧 반영됩니다"],
  [/^now$/, "지금"], [/^in (.+)$/, "$1 뒤"], [/ and (\d+) more$/, " 외 $1개"], [/^all$/, "전체"],
  [/^non_reasoning$/, "추론 없음"], [/^reasoning$/, "추론"], [/^adaptive$/, "적응형"],
  [/^(profile) /, "프로필 "], [/^(class) /, "등급 "],
  [/^run$/, "실행"], [/^key$/, "키"], [/^month$/, "월"],
  [/ of fallback ('[^']*')/, " (대체 단계 $1)"],
];
