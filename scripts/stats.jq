# SPDX-License-Identifier: GPL-2.0
#
# Statistics of samples, for other filters to include: "jq -L scripts".

def median: sort | if length == 0 then null
	elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# Student's t of 95 %, by degrees of freedom
def t95: [0, 12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26][.] // 2.1;

# Half the width of the mean's 95 % interval
def half: . as $v | ($v | length) as $n | if $n < 2 then null else
	(($v | add) / $n) as $m
	| (([$v[] | (. - $m) * (. - $m)] | add) / ($n - 1) | sqrt) * (($n - 1) | t95) / ($n | sqrt) end;

# The values of a metric's samples
def of($metric): map(select(.metric == $metric) | .value);
