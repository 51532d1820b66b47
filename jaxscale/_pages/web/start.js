"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  for (const [id, chart] of Object.entries(data.charts)) Chart(document.getElementById(id), chart);
  if (data.model) Explore.start(document.getElementById("explore"), Engine.local(data.model), data.model);
}
